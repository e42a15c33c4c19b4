"""Where an exported model is written: its name, and a place to make it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from yolokit.errors import ExportError
from yolokit.export.options import ExportOptions
from yolokit.files import scratch_beside
from yolokit.models.export_record import ONNX_SUFFIX, OPENVINO_MODEL, ExportFormat
from yolokit.models.hub_name import hub_name

_OPENVINO_FILES = {OPENVINO_MODEL, "model.bin"}


def default_target(model: Path, options: ExportOptions) -> Path:
    """Beside the model: ``model.onnx``, ``model_f16.onnx``, ``model_openvino``, …"""
    kind = "" if options.precision == "f32" else f"_{options.precision}"
    ending = ONNX_SUFFIX if options.format == "onnx" else "_openvino"
    return model.with_name(f"{model.stem}{kind}{ending}")


def target_outside_cache(
    out: Path | None, model: Path | None, options: ExportOptions
) -> Path | None:
    """Where an exported file is wanted; of a model on the hub, not beside it, which is its cache.

    Args:
        out: as asked for, or None.
        model: as it was named, or None.

    Returns:
        ``out``; where that is None and the model is the hub's, a file here with its name.
    """
    name = None if model is None else hub_name(model)
    if out is not None or name is None:
        return out
    return default_target(Path(f"{name.repo.rpartition('/')[2]}.safetensors"), options)


def require_target(path: Path, kind: ExportFormat) -> None:
    """Check the place before anything takes time.

    Raises:
        ExportError: another kind of name, or something there that is no exported model.
    """
    if kind == "onnx":
        if path.suffix.lower() != ONNX_SUFFIX:
            raise ExportError(f"an ONNX file ends in {ONNX_SUFFIX}, not {path.name}. Change --out")
        if path.is_dir():
            raise ExportError(f"{path} is a folder. Give the name of a file with --out")
    elif path.suffix.lower() in (ONNX_SUFFIX, ".xml", ".bin"):
        raise ExportError(f"OpenVINO's two files lie in a folder, not in {path}. Change --out")
    elif path.exists() and not _is_ours(path):
        raise ExportError(
            f"{path} holds something else than an exported model. Give another folder with --out"
        )


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """A folder beside the target to write and check in; it goes afterwards.

    Raises:
        ExportError: nothing can be written there.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_beside(path))
        except OSError as error:
            raise ExportError(
                f"cannot write {path}: {error.strerror}. Choose another place with --out"
            ) from error
        yield folder


def size_mb(path: Path) -> float:
    """Of a file, or of all files in a folder, in millions of bytes."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 1e6


def _is_ours(path: Path) -> bool:
    """Whether a folder is empty or holds the two files of a model and nothing else."""
    return path.is_dir() and {each.name for each in path.iterdir()} <= _OPENVINO_FILES
