"""From decoded boxes to detections: threshold, suppress, back to the original picture.

Shape legend: B images, N boxes of one image, C classes, M candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from yolokit.ops.letterbox import boxes_to_original, resized_hw
from yolokit.ops.nms import class_aware_nms
from yolokit.types import DecodedBoxes, Detections, Letterbox


def select_detections(
    decoded: DecodedBoxes,
    letterboxes: Sequence[Letterbox],
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> list[Detections]:
    """Keep the best boxes of each picture, in the original picture's pixels.

    Every (box, class) pair is a candidate, so one box may be found as two classes. Boxes are
    clipped to the picture first; what is not finite, or has no area inside it, is dropped.

    Args:
        decoded: boxes [B, N, 4] input pixels, scores [B, N, C].
        letterboxes: how each of the B pictures lies in the input.
        score_threshold: a candidate scores more than this.
        iou_threshold: of two boxes of one class that overlap by more, the lower one falls;
            without meaning for boxes of a one-to-one branch.
        max_detections: at most this many per picture.

    Returns:
        One ``Detections`` per picture, best first, ties in the order of the grid; the same on
        every run. Empty where nothing scores enough.
    """
    return [
        _select(
            boxes.detach().float(),
            scores.detach().float(),
            letterbox,
            score_threshold,
            1.0 if decoded.one_to_one else iou_threshold,
            max_detections,
        )
        for boxes, scores, letterbox in zip(decoded.boxes, decoded.scores, letterboxes, strict=True)
    ]


def _select(
    boxes: Tensor,
    scores: Tensor,
    letterbox: Letterbox,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Detections:
    finite = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    boxes = _clip_to_picture(boxes, letterbox)
    sound = finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    rows, labels = ((scores > score_threshold) & sound[:, None]).nonzero(as_tuple=True)  # [M]
    boxes, scores = boxes[rows], scores[rows, labels]
    kept = class_aware_nms(boxes, scores, labels, iou_threshold, max_detections)
    found = boxes_to_original(boxes[kept].cpu().numpy(), letterbox)
    area = (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])  # rounding may close a sliver
    return Detections(
        boxes=found[area],
        scores=scores[kept].cpu().numpy().astype(np.float32)[area],
        labels=labels[kept].cpu().numpy().astype(np.int64)[area],
    )


def _clip_to_picture(boxes: Tensor, letterbox: Letterbox) -> Tensor:
    left, top = letterbox.pad_xy
    height, width = resized_hw(letterbox)
    low = boxes.new_tensor([left, top, left, top])
    high = boxes.new_tensor([left + width, top + height] * 2)
    return torch.minimum(torch.maximum(boxes, low), high)
