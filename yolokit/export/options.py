"""What can be asked of an export, and what must be installed for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from yolokit.errors import ConfigError, ExportError
from yolokit.models.export_record import ExportFormat, Precision

MAX_DROP = 0.5  # AP points that an export may lose by default


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What to write.

    Args:
        format: ``onnx``, one file, or ``openvino``, a folder.
        precision: of the weights.
        dynamic: take any number of pictures at once.
        nms: suppress inside the graph, by the model's own thresholds.
        max_drop: refuse a file that loses more AP than this, in points of 100.

    Raises:
        ConfigError: a combination that there is not, or a loss that is no number of points.
    """

    format: ExportFormat
    precision: Precision = "f32"
    dynamic: bool = False
    nms: bool = False
    max_drop: float = MAX_DROP

    def __post_init__(self) -> None:
        if self.precision == "int8" and self.format == "onnx":
            raise ConfigError("int8 is written for OpenVINO only. Use --format openvino")
        if not 0 <= self.max_drop <= 100:  # NaN is neither
            raise ConfigError(f"the AP points to lose must be 0 to 100, got {self.max_drop}")


def require_packages(options: ExportOptions) -> None:
    """Check that the libraries are there, before anything takes time.

    Raises:
        ExportError: one is not; the message says what to install.
    """
    missing = [name for name in _needed(options) if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"this export needs {', '.join(missing)}, not installed here. Install what is "
            f"missing: pip install {' '.join(missing)}"
        )


def versions(options: ExportOptions) -> dict[str, str]:
    """The versions of the libraries that an export goes through."""
    return {name: version(name) for name in ("torch", *_needed(options))}


def _needed(options: ExportOptions) -> Iterator[str]:
    yield from ("onnx", "onnxscript")
    if options.format == "onnx":
        yield "onnxruntime"
    else:
        yield "openvino"
    if options.precision == "int8":
        yield "nncf"
