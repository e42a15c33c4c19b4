"""The PyTorch backend: a detector on a CPU, GPU or Apple device. No other file here needs torch."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from yolokit.backbones.folding import fold_batch_norms
from yolokit.errors import ConfigError
from yolokit.inference.backend import Images
from yolokit.inference.bf16 import computes_bf16, forward_in_bf16, round_weights
from yolokit.inference.exported import ComputePrecision
from yolokit.machine import shared_out
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_file import load_model
from yolokit.types import DecodedArrays, DecodedBoxes, GridOutput

_SETTING_THREADS = threading.Lock()


class TorchBackend:
    """Runs a detector without gradients and in 32 bits, whatever is set around it.

    Args:
        detector: used where it is, as it is when called: its weights may be trained in between.
            It must be in evaluation mode then.
        device: move it there first; ``auto``: a GPU where there is one; None leaves it.

    Attributes:
        detector: that one, whatever is run in its place.
    """

    def __init__(self, detector: Detector, device: str | torch.device | None = None) -> None:
        self.detector = detector
        self._network = detector  # what runs
        self._in_bf16 = False
        if device is not None:
            self.to(device)

    @classmethod
    def of_final(
        cls, detector: Detector, device: str | torch.device = "auto", *, in_bf16: bool = False
    ) -> TorchBackend:
        """A faster backend of a detector whose weights will not change any more.

        Its batch norms become part of the convolutions before them, in a copy; outputs differ by
        rounding.

        Args:
            detector: in evaluation mode; moved to the device.
            device: as for the class.
            in_bf16: compute in bfloat16 what bears it, on a CPU.

        Raises:
            ConfigError: no such device here, or one that is not to compute in bfloat16.
        """
        backend = cls(detector, device)
        if in_bf16 and backend.device != "cpu":
            raise ConfigError(
                f"precision bf16 is for a CPU, not for {backend.device}. Use auto, or --device cpu"
            )
        backend._network, backend._in_bf16 = _final(detector, in_bf16=in_bf16), in_bf16
        return backend

    @property
    def device(self) -> str:
        """Where the detector is: ``cpu``, ``cuda:0``, …"""
        return str(self._network.get_buffer("mean").device)

    @property
    def description(self) -> str:
        """The version of torch, the device, and the precision where it is not 32 bits."""
        return describe_device(self.device) + (" in bf16" if self._in_bf16 else "")

    @property
    def shares(self) -> list[int]:
        """See ``SideBySide``; a GPU has a use for many pictures a call."""
        return shared_out(torch.get_num_threads()) if self.device == "cpu" else []

    def begin_worker(self, processors: int) -> None:
        """See ``SideBySide``."""
        _compute_here_with(processors)

    def to(self, device: str | torch.device) -> None:
        """Move the detector; elsewhere than on a CPU it computes in 32 bits.

        Raises:
            ConfigError: no such device here.
        """
        found = resolve_device(device)
        self.detector.to(found)
        if self._in_bf16 and found.type != "cpu":
            self._network, self._in_bf16 = _final(self.detector), False
        self._network.to(found)

    def __call__(
        self,
        images: Images,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float | None = None,
    ) -> DecodedArrays:
        """See ``Backend``; one transfer to the device and one back."""
        batch = torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2)  # lies channels-last
        device = torch.device(self.device)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            if device.type == "cpu":
                parts = [self._outputs(part) for part in _cache_sized(batch)]
                outputs = [_joined(level) for level in zip(*parts, strict=True)]
                return self._network.decode(outputs).numpy()
            decoded = self._network.decode(self._outputs(batch.to(device)))
            return _above(decoded, score_threshold).numpy()

    def _outputs(self, images: Tensor) -> list[GridOutput]:
        return forward_in_bf16(self._network, images) if self._in_bf16 else self._network(images)


def load_torch(
    path: Path, device: str | torch.device = "auto", precision: ComputePrecision = "auto"
) -> tuple[TorchBackend, ModelCard]:
    """A model file's network on a device, its batch norms folded, and its card.

    Args:
        path: a model file, or the run folder around it.
        device: as for ``TorchBackend``.
        precision: ``auto`` computes in bfloat16 on a CPU that is faster so, if the training found
            that AP stays.

    Raises:
        WeightsError: see ``load_model``.
        ConfigError: no such device here, or one that is not to compute in ``precision``.
    """
    detector, card = load_model(path)
    on_cpu = resolve_device(device).type == "cpu"
    harmless = precision == "auto" and on_cpu and card.keeps_ap_in_bf16 and computes_bf16()
    in_bf16 = precision == "bf16" or harmless
    return TorchBackend.of_final(detector, device, in_bf16=in_bf16), card


@contextmanager
def evaluating(detector: Detector) -> Iterator[TorchBackend]:
    """A backend around a detector that is being trained; its mode is restored afterwards."""
    was_training = detector.training
    detector.eval()
    try:
        yield TorchBackend(detector)
    finally:
        detector.train(was_training)


def resolve_device(device: str | torch.device) -> torch.device:
    """The device of a name; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: no such device, or none of it here.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        named = torch.device(device)
        torch.empty(0, device=named)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"no device {str(device)!r} here. Use cpu or auto") from error
    return named


def _final(detector: Detector, *, in_bf16: bool = False) -> Detector:
    """A copy with its batch norms folded, its weights as convolutions want them."""
    network = fold_batch_norms(detector)
    if in_bf16:
        round_weights(network)
    return network.to(memory_format=torch.channels_last)


def describe_device(device: str | torch.device) -> str:
    """The version of torch, and what it computes on."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"torch {torch.__version__} on {name}"


def _compute_here_with(threads: int) -> None:
    """Of this thread's networks. OpenMP keeps a number for each thread; what threads to come begin
    with, which torch sets along with it, is put back before another may look."""
    with _SETTING_THREADS:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        elsewhere = threading.Thread(target=torch.set_num_threads, args=(before,))
        elsewhere.start()
        elsewhere.join()


def _cache_sized(batch: Tensor) -> tuple[Tensor, ...]:
    """A picture a thread: a CPU waits for memory, and what a layer of few pictures leaves in its
    cache the next layer finds there."""
    return torch.split(batch, torch.get_num_threads())


def _joined(parts: Sequence[GridOutput]) -> GridOutput:
    """One level's outputs for several runs of pictures, in a row."""
    if len(parts) == 1:
        return parts[0]
    confidences = [part.confidences for part in parts if part.confidences is not None]
    return dataclasses.replace(
        parts[0],
        classes=torch.cat([part.classes for part in parts]),
        confidences=torch.cat(confidences) if confidences else None,
        box_codes=torch.cat([part.box_codes for part in parts]),
    )


def _above(decoded: DecodedBoxes, score_threshold: float) -> DecodedBoxes:
    """The boxes that may be found, so that not all are copied from a device.

    Pictures with fewer than the fullest one are filled up with boxes of score 0.
    """
    wanted = ~(decoded.scores.amax(dim=2) <= score_threshold)  # [B, N]; NaN is for others to judge
    most = int(wanted.sum(dim=1).max())
    rows = torch.argsort((~wanted).byte(), dim=1, stable=True)[:, :most]  # [B, M], grid order
    scores = torch.where(wanted[..., None], decoded.scores, 0.0)
    return DecodedBoxes(
        decoded.boxes.gather(1, rows[..., None].expand(-1, -1, 4)),
        scores.gather(1, rows[..., None].expand(-1, -1, scores.shape[2])),
        decoded.one_to_one,
    )
