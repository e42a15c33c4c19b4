"""One picture through a detector: all that explanations of it begin with.

Shape legend: N boxes decoded, K boxes found, H × W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from yolokit.data.prepare import prepare_image
from yolokit.heads.family import CellPlaces, HeadFamily, family_of
from yolokit.inference.postprocess import require_numbers, select_traced
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.ops.letterbox import resized_hw
from yolokit.types import DecodedArrays, Detections, GridOutput, Letterbox


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Seen:
    """A picture, and what a detector makes of it.

    Args:
        image: [H, W, 3] uint8 RGB, the picture itself.
        family: of the detector's head.
        prepared: [H, W, 3] uint8 RGB, letterboxed.
        letterbox: how the picture lies in it.
        outputs: the head's, of this one picture, without gradients.
        decoded: boxes [1, N, 4] input pixels, scores [1, N, C].
        places: the cell of each decoded box.
        detections: boxes found, original pixels, as ``predict`` finds them.
        found: [K] place of each among the N decoded boxes.
    """

    image: NDArray[np.uint8]
    family: HeadFamily
    prepared: NDArray[np.uint8]
    letterbox: Letterbox
    outputs: list[GridOutput]
    decoded: DecodedArrays
    places: CellPlaces
    detections: Detections
    found: NDArray[np.int64]

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the picture inside the input, pixels."""
        left, top = self.letterbox.pad_xy
        height, width = resized_hw(self.letterbox)
        return left, top, left + width, top + height


def look(
    detector: Detector,
    card: ModelCard,
    image: NDArray[np.uint8],
    *,
    score_threshold: float = 0.25,
) -> Seen:
    """Run a detector on a picture.

    Args:
        detector: in evaluation mode.
        card: its card.
        image: [H, W, 3] uint8 RGB.
        score_threshold: boxes found score more.

    Raises:
        WeightsError: its outputs are not numbers.
    """
    prepared, letterbox = prepare_image(image, card.image_hw)
    with torch.no_grad():
        outputs = detector(as_batch(detector, prepared))
        decoded = require_numbers(detector.decode(outputs).numpy())
    (traced,) = select_traced(
        decoded,
        [letterbox],
        score_threshold=score_threshold,
        iou_threshold=card.predict.iou_threshold,
        max_detections=card.predict.max_detections,
    )
    family = family_of(card.model.head)
    return Seen(
        image=image,
        family=family,
        prepared=prepared,
        letterbox=letterbox,
        outputs=outputs,
        decoded=decoded,
        places=family.places(outputs),
        detections=traced.detections,
        found=traced.places,
    )


def as_batch(detector: Detector, prepared: NDArray[np.uint8]) -> Tensor:
    """[1, 3, H, W] on the detector's device."""
    batch = torch.from_numpy(prepared).permute(2, 0, 1)[None]
    return batch.to(detector.get_buffer("mean").device)
