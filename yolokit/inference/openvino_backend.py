"""The OpenVINO backend: an exported folder (``model.xml``, ``model.bin``) on the CPU. No torch."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ConfigError, WeightsError
from yolokit.inference.backend import Images
from yolokit.inference.exported import (
    INPUT,
    Answer,
    ComputePrecision,
    ExportedNetwork,
    Port,
    export_card,
    require_precision,
)
from yolokit.machine import bf16_pays, compute_threads, shared_out
from yolokit.models.card import CARD_KEY, ModelCard, printable
from yolokit.types import DecodedArrays

_HEAD = 1000  # bytes in which the root element of an XML file begins
_ROOT = re.compile(rb"<net\s[^>]*\bversion=")  # what OpenVINO itself knows it by
_DTYPES = {"u8": "uint8", "f32": "float32", "i64": "int64", "i32": "int32"}
_NAMES = {"f32": "f32", "bf16": "bf16", "f16": "f16", "u8": "int8", "i8": "int8"}
_STARTING = threading.Lock()
_HEAVY = ("Convolution", "MatMul", "FullyConnected", "Pooling")  # where the time goes


class OpenVinoBackend:
    """An OpenVINO model, ready to detect.

    Args:
        path: ``model.xml``; ``model.bin`` lies beside it.
        device: ``cpu`` or ``auto``, which is the CPU.
        precision: ``auto`` computes in bf16 where that is faster; ``f32`` does not, and ``bf16``
            does wherever the processor can.

    Raises:
        WeightsError: no such file, damaged, or not what its card says.
        ConfigError: openvino is missing, no such device, or no such precision.
    """

    def __init__(
        self, path: Path, device: str = "auto", precision: ComputePrecision = "auto"
    ) -> None:
        self.to(device)
        try:
            import openvino
        except ImportError as error:
            raise ConfigError(
                f"{path} needs OpenVINO, which cannot be imported ({printable(str(error))}). "
                "pip install openvino"
            ) from error
        where, core = str(path), _core(openvino)
        _require_intermediate_representation(path)
        try:
            model = core.read_model(where)
        except Exception as error:  # of many kinds, as C++ raised it
            raise _unreadable(where, error) from error
        text = str(model.get_rt_info(CARD_KEY).value) if model.has_rt_info(CARD_KEY) else None
        self.card, record = export_card(text, where, "openvino")
        require_precision(precision, record, where)
        inputs, outputs = ([_port(e) for e in ports] for ports in (model.inputs, model.outputs))
        self._network = ExportedNetwork(self.card, record, inputs, outputs, where)
        self._threads = compute_threads(os.environ)
        self._compile = functools.partial(core.compile_model, model, "CPU")
        self._precision: ComputePrecision = precision
        try:
            self._compiled = self._compile(_settings(precision, self._threads))
        except Exception as error:
            raise _unreadable(where, error) from error
        self._request = self._compiled.create_infer_request()
        self._one_at_a_time = threading.Lock()
        self._beside: Any = None  # the same for workers, compiled when there are some
        self._worker = threading.local()  # each has a request of its own
        self._names = [each.name for each in outputs]

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``."""
        return "cpu"

    @property
    def description(self) -> str:
        """Library, version, device, and the precision that most of it really computes in."""
        from openvino import get_version

        version = get_version().partition("-")[0]
        return f"openvino {version} on cpu in {_real_precision(self._compiled)}"

    @property
    def shares(self) -> list[int]:
        """See ``SideBySide``; OpenVINO shares out the processors by itself."""
        return shared_out(self._threads)

    def begin_worker(self, processors: int) -> None:
        """See ``SideBySide``.

        Raises:
            WeightsError: the model cannot be compiled once more.
        """
        with self._one_at_a_time:
            try:
                if self._beside is None:
                    streams = len(self.shares)
                    self._beside = self._compile(_settings(self._precision, self._threads, streams))
                self._worker.request = self._beside.create_infer_request()
            except Exception as error:  # of many kinds, as C++ raised it
                raise self._network.failed(error) from error

    def to(self, device: str) -> None:
        """Stay on the CPU.

        Raises:
            ConfigError: any other device.
        """
        if device not in ("auto", "cpu"):
            raise ConfigError(f"OpenVINO computes on the CPU here, not on {device!r}. Use cpu")

    def __call__(
        self,
        images: Images,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float | None = None,
    ) -> DecodedArrays:
        """See ``Backend``; a picture a thread, so that layers find each other's results in the
        processor's cache."""
        return self._network.detect(np.asarray(images), self._run, self._threads)

    def _run(self, images: NDArray[np.uint8]) -> Answer:
        own = getattr(self._worker, "request", None)
        try:
            with nullcontext() if own else self._one_at_a_time:
                answer = (own or self._request).infer({INPUT: images}, share_inputs=True)
        except Exception as error:
            raise self._network.failed(error) from error
        return {name: answer[name] for name in self._names}


def load_openvino(
    path: Path, device: str = "auto", precision: ComputePrecision = "auto"
) -> tuple[OpenVinoBackend, ModelCard]:
    """An OpenVINO model's network, and its card; see ``OpenVinoBackend``."""
    backend = OpenVinoBackend(path, device, precision)
    return backend, backend.card


def _core(openvino: Any) -> Any:
    """One for the process, which never goes; made by one thread while others wait."""
    with _STARTING:
        return _only_core(openvino)


@functools.cache
def _only_core(openvino: Any) -> Any:
    """See ``_core``.

    OpenVINO's CPU plugin brings its thread a stack for signal handlers. Of two plugins, the one
    that goes last puts back the other's, which is no longer there: the next Ctrl-C ends the process
    with a segmentation fault (2026.4).

    Threads that hand over or ask for their first array at the same time wait for each other for
    ever: one fills a table of types and waits for Python, the other holds Python and waits for the
    table (2026.4). So both tables are filled here.
    """
    _ = openvino.Tensor(np.zeros(1, np.uint8)).data
    return openvino.Core()


def _settings(precision: ComputePrecision, threads: int, streams: int = 1) -> dict[str, Any]:
    """So many pictures at a time, each as soon as can be; threads wander, for others may use the
    processors."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    if precision == "auto" and not bf16_pays():
        precision = "f32"
    return settings if precision == "auto" else {**settings, "INFERENCE_PRECISION_HINT": precision}


def _port(port: Any) -> Port:
    """An input or output of OpenVINO's; one name of several is enough."""
    names = sorted(port.get_names())
    known = [name for name in names if name in (INPUT, "boxes", "scores", "labels")]
    shape = port.get_partial_shape()
    sizes = (
        None
        if shape.rank.is_dynamic
        else tuple(None if size.is_dynamic else size.get_length() for size in shape)
    )
    kind = port.get_element_type().get_type_name()
    return Port(str((known or names or ["without a name"])[0]), _DTYPES.get(kind, kind), sizes)


def _require_intermediate_representation(path: Path) -> None:
    """Refuse another kind of file, which OpenVINO would show to its readers of other formats; each
    says on stderr why it is none of its own."""
    with path.open("rb") as file:
        if _ROOT.search(file.read(_HEAD)) is None:
            raise _unreadable(str(path), ValueError("no <net> with a version in it"))


def _unreadable(where: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"cannot read {where}: {printable(str(error))}. The file is damaged, incomplete or too "
        "new; copy or export it again"
    )


def _real_precision(compiled: Any) -> str:
    """Of the layers that take most of the time, in which most of them compute."""
    counts: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        kind = str(facts["layerType"].value) if "layerType" in facts else ""
        if kind in _HEAVY:
            counts[str(facts["runtimePrecision"].value)] += 1
    if not counts:
        return "f32"
    name = counts.most_common(1)[0][0]
    return _NAMES.get(name, name)
