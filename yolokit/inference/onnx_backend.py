"""The ONNX Runtime backend: an exported ``.onnx`` file on a CPU or an NVIDIA GPU. No torch."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from yolokit.machine import compute_threads, shared_out
from yolokit.models.card import CARD_KEY, ModelCard, printable
from yolokit.types import DecodedArrays

if TYPE_CHECKING:
    import onnxruntime

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_SILENT = 4  # ONNX Runtime's severity "fatal": what is wrong is raised
_GPU_PICTURES = 32  # a step, of a file that takes any number
_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}


class OnnxBackend:
    """An ONNX file, ready to detect; its threads sleep while they have nothing to do.

    Args:
        path: the file.
        device: ``cpu``, ``auto`` (the CPU) or ``cuda``, ``cuda:1``, … with onnxruntime-gpu.
        precision: ``f32`` refuses a file that computes in fewer bits.

    Raises:
        WeightsError: no such file, damaged, or not what its card says.
        ConfigError: onnxruntime is missing, no such device, or no such precision.
    """

    def __init__(
        self, path: Path, device: str = "auto", precision: ComputePrecision = "auto"
    ) -> None:
        self._path, self._precision = path, precision
        self._file = path.absolute()  # wherever the process goes
        self._alone: onnxruntime.InferenceSession | None = None  # the same, without threads
        self._worker = threading.local()  # what it calls
        self._opening = threading.Lock()
        self._threads = compute_threads(os.environ)
        self.to(device)

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda:0``, …"""
        return self._device

    @property
    def description(self) -> str:
        """Library, version, device, and precision; of fewer bits than 32, ONNX Runtime itself
        chooses layer by layer whether it computes in them or only keeps numbers in them."""
        import onnxruntime

        kept = self._network.record.precision
        precision = "in f32" if kept == "f32" else f"with numbers kept in {kept}"
        return f"onnxruntime {onnxruntime.__version__} on {self._device} {precision}"

    @property
    def shares(self) -> list[int]:
        """See ``SideBySide``."""
        return shared_out(self._threads) if self._device == "cpu" else []

    def begin_worker(self, processors: int) -> None:
        """See ``SideBySide``."""
        if processors > 1:  # of the session that all share
            return
        with self._opening:
            if self._alone is None:
                self._alone = self._without_threads()
        self._worker.session = self._alone

    def _without_threads(self) -> onnxruntime.InferenceSession:
        """The file again; where it is no longer what was read, what was read."""
        if _written(self._file) != self._read:
            return self._session
        _, session = _open(self._file, "cpu", self._precision, 1)
        return session if _written(self._file) == self._read else self._session

    def to(self, device: str) -> None:
        """Read the file, for another device.

        Raises:
            WeightsError, ConfigError: as the constructor.
        """
        where = str(self._path)
        self._read = _written(self._file)
        name, session = _open(self._path, device, self._precision, self._threads)
        card, record = export_card(
            session.get_modelmeta().custom_metadata_map.get(CARD_KEY), where, "onnx"
        )
        require_precision(self._precision, record, where)
        inputs, outputs = (
            [_port(each) for each in ports]
            for ports in (session.get_inputs(), session.get_outputs())
        )
        self._network = ExportedNetwork(card, record, inputs, outputs, where)
        self._device, self._session, self._alone = name, session, None
        self._names, self.card = [each.name for each in outputs], card

    def __call__(
        self,
        images: Images,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float | None = None,
    ) -> DecodedArrays:
        """See ``Backend``; on a CPU picture by picture, several at the same time: threads that
        share a picture wait for each other after each layer."""
        batch = np.asarray(images)
        if self._device == "cpu":
            return self._network.detect(batch, self._run, 1, at_once=self._threads)
        return self._network.detect(batch, self._run, _GPU_PICTURES)

    def _run(self, images: NDArray[np.uint8]) -> Answer:
        session = getattr(self._worker, "session", self._session)
        try:
            answers = session.run(self._names, {INPUT: images})
        except Exception as error:  # its classes share no base of their own
            raise self._network.failed(error) from error
        return dict(zip(self._names, answers, strict=True))


def load_onnx(
    path: Path, device: str = "auto", precision: ComputePrecision = "auto"
) -> tuple[OnnxBackend, ModelCard]:
    """An ONNX file's network on a device, and its card; see ``OnnxBackend``."""
    backend = OnnxBackend(path, device, precision)
    return backend, backend.card


def _open(
    path: Path, device: str, precision: ComputePrecision, threads: int
) -> tuple[str, onnxruntime.InferenceSession]:
    """The device's full name, and the file on it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"{path} needs ONNX Runtime, which cannot be imported ({printable(str(error))}). "
            "pip install onnxruntime"
        ) from error
    name, provider = _provider(device, precision, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _SILENT
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # its classes share no base of their own
        raise WeightsError(
            f"cannot read {path}: {printable(str(error))}. The file is damaged or too new; copy or "
            "export it again"
        ) from error
    if session.get_providers()[0] != provider[0]:
        raise ConfigError(f"ONNX Runtime cannot use {device!r} here. Use --device cpu")
    return name, session


def _provider(
    device: str, precision: ComputePrecision, available: list[str]
) -> tuple[str, tuple[str, dict[str, Any]]]:
    """A device's full name, and ONNX Runtime's name and options for it."""
    if device in ("auto", "cpu"):
        return "cpu", (_CPU, {})
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal() or _CUDA not in available:
        raise ConfigError(
            f"ONNX Runtime has no device {device!r} here. Use --device cpu; for NVIDIA GPUs "
            "pip install onnxruntime-gpu instead of onnxruntime"
        )
    index = int(number or 0)
    options = {"device_id": index, "use_tf32": int(precision == "auto")}
    return f"cuda:{index}", (_CUDA, options)


def _port(node: Any) -> Port:
    """A node of ONNX Runtime's; a dimension that has a name, or none, is open."""
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Port(node.name, _DTYPES.get(node.type, node.type), shape)


def _written(file: Path) -> tuple[int, ...] | None:
    """What tells a file from one that took its place; None where there is none."""
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
