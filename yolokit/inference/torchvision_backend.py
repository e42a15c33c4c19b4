"""The backend of torchvision's own detectors, which scale, normalise and suppress by themselves.

Pictures go in as they are, not letterboxed, and one by one: in a batch these networks pad to the
largest, and then find other boxes. What comes out is what ``torchvision.models.detection`` gives
for the same thresholds.

Shape legend: H, W a picture's height and width; N boxes of a picture; B pictures; C classes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.errors import ImageError
from yolokit.inference.backend import Images
from yolokit.inference.torch_backend import describe_device, resolve_device
from yolokit.models.torchvision_detectors import TorchvisionDetector, load_detector
from yolokit.models.torchvision_name import TorchvisionName
from yolokit.sections import PredictConfig
from yolokit.types import DecodedArrays

_LEVELS = 255.0  # of 8-bit pixels, which become 0..1
_NO_LIMIT = sys.maxsize


@dataclass(frozen=True, slots=True)
class TorchvisionCard:
    """See ``Card``; the category ids are COCO's own."""

    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    predict: PredictConfig
    image_hw: None = None
    export: None = None


class TorchvisionBackend:
    """Runs a detector of torchvision's in full precision and without gradients.

    Of a network's thresholds, those given for a call hold in it; of its boxes all are given, none
    beyond ``detections_per_img`` cut off, so that the best of some classes can be chosen later.

    Args:
        detector: used as it is, its thresholds are changed.
        device: moves it there; ``auto``: a GPU where there is one.

    Raises:
        ConfigError: no such device here.
    """

    def __init__(self, detector: TorchvisionDetector, device: str | torch.device = "auto") -> None:
        self.detector = detector
        suppression = detector.suppression
        self._own = PredictConfig(
            iou_threshold=suppression.nms_thresh,
            eval_score_threshold=suppression.score_thresh,
            max_detections=suppression.detections_per_img,
        )
        suppression.detections_per_img = _NO_LIMIT
        self._columns = _columns(detector.category_ids)
        self.to(device)

    @property
    def card(self) -> TorchvisionCard:
        """Classes, and the thresholds that the network was built with."""
        names, ids = tuple(self.detector.class_names), tuple(self.detector.category_ids)
        return TorchvisionCard(class_names=names, category_ids=ids, predict=self._own)

    @property
    def device(self) -> str:
        """Where the network is: ``cpu``, ``cuda:0``, …"""
        return str(next(self.detector.network.parameters()).device)

    @property
    def description(self) -> str:
        """The version of torch, the device, and which detector."""
        return f"{describe_device(self.device)}, torchvision's {self.detector.name}"

    def to(self, device: str | torch.device) -> None:
        """Move the network.

        Raises:
            ConfigError: no such device here.
        """
        self.detector.network.to(resolve_device(device))

    def __call__(
        self,
        images: Images,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float | None = None,
    ) -> DecodedArrays:
        """See ``Backend``.

        Raises:
            ImageError: a picture so narrow that the network's own scaling leaves nothing of it.
        """
        suppression = self.detector.suppression
        suppression.score_thresh = score_threshold
        suppression.nms_thresh = self._own.iou_threshold if iou_threshold is None else iou_threshold
        device = torch.device(self.device)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            found = [self._detect(image, device) for image in images]
        return _stacked(found, len(self.detector.category_ids))

    def _detect(self, image: NDArray[np.uint8], device: torch.device) -> _Found:
        self._require_size(image.shape[0], image.shape[1])
        picture = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)
        (found,) = self.detector.network([picture / _LEVELS])  # [3, H, W]
        boxes, scores, labels = (found[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
        columns = self._columns[labels]
        known = columns >= 0
        return boxes[known], scores[known], columns[known]

    def _require_size(self, height: int, width: int) -> None:
        if self.detector.scaled_to is None:
            return
        least, longest = self.detector.scaled_to
        scale = min(least / min(height, width), longest / max(height, width))
        if min(height, width) * scale < 1:
            raise ImageError(
                f"a picture of {width}x{height} px is too narrow for torchvision's "
                f"{self.detector.name}. Cut it into parts"
            )


_Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def load_torchvision(
    wanted: TorchvisionName, device: str | torch.device = "auto"
) -> tuple[TorchvisionBackend, TorchvisionCard]:
    """A detector of torchvision's on a device, and its card.

    Raises:
        WeightsError: see ``load_detector``.
        ConfigError: no such device here.
    """
    device = resolve_device(device)  # before anything is downloaded
    backend = TorchvisionBackend(load_detector(wanted), device)
    return backend, backend.card


def _columns(category_ids: Sequence[int]) -> NDArray[np.int64]:
    """The column 0..C-1 of each label of the network; -1 where it stands for no class."""
    columns = np.full(max(category_ids) + 1, -1, dtype=np.int64)
    columns[list(category_ids)] = np.arange(len(category_ids))
    return columns


def _stacked(found: Sequence[_Found], classes: int) -> DecodedArrays:
    """Boxes [B, N, 4] and scores [B, N, C]; rows beyond a picture's own score 0 everywhere."""
    most = max(len(boxes) for boxes, _, _ in found)
    boxes = np.zeros((len(found), most, 4), dtype=np.float32)
    scores = np.zeros((len(found), most, classes), dtype=np.float32)
    for place, (own, score, column) in enumerate(found):
        boxes[place, : len(own)] = own
        scores[place, np.arange(len(own)), column] = score
    return DecodedArrays(boxes, scores, one_to_one=True)
