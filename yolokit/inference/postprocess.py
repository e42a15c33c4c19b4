"""From decoded boxes to detections, in NumPy: threshold, suppress, back to the original picture.

Shape legend: B images, N boxes of one image, C classes, M candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import WeightsError
from yolokit.ops.letterbox import boxes_to_original, resized_hw
from yolokit.ops.nms import class_aware_nms
from yolokit.types import DecodedArrays, Detections, Letterbox


class Traced(NamedTuple):
    """Detections, and the place [K] of each among the N decoded boxes."""

    detections: Detections
    places: NDArray[np.int64]


def select_detections(
    decoded: DecodedArrays,
    letterboxes: Sequence[Letterbox],
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
    labels: Sequence[int] | None = None,
) -> list[Detections]:
    """Keep the best boxes of each picture, in the original picture's pixels.

    Every (box, class) pair is a candidate, so one box may be found as two classes. Boxes are
    clipped to the picture first; what is not finite, or has no area inside it, is dropped.

    Args:
        decoded: boxes [B, N, 4] input pixels, scores [B, N, C]; not changed.
        letterboxes: how each of the B pictures lies in the input.
        score_threshold: a candidate scores more than this.
        iou_threshold: of two boxes of one class that overlap by more, the lower one falls;
            without meaning for boxes of a one-to-one branch.
        max_detections: at most this many per picture.
        labels: of these classes only, so that others take no place; None keeps all.

    Returns:
        One ``Detections`` per picture, best first, ties in the order of the grid; the same on
        every run. Empty where nothing scores enough.
    """
    found = select_traced(
        decoded,
        letterboxes,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_detections=max_detections,
        labels=labels,
    )
    return [each.detections for each in found]


def select_traced(
    decoded: DecodedArrays,
    letterboxes: Sequence[Letterbox],
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
    labels: Sequence[int] | None = None,
) -> list[Traced]:
    """``select_detections``, with which of the decoded boxes each detection is."""
    wanted = np.ones(decoded.scores.shape[2], dtype=np.bool_)
    if labels is not None:
        wanted[:] = False
        wanted[list(labels)] = True
    return [
        _select(
            boxes,
            scores,
            wanted,
            letterbox,
            score_threshold,
            1.0 if decoded.one_to_one else iou_threshold,
            max_detections,
        )
        for boxes, scores, letterbox in zip(decoded.boxes, decoded.scores, letterboxes, strict=True)
    ]


def require_numbers(decoded: DecodedArrays) -> DecodedArrays:
    """The argument, unless a network answers with nothing but NaN and infinity.

    Raises:
        WeightsError: boxes there are, but the numbers of not one of them are all finite.
    """
    if not decoded.scores.size:
        return decoded
    first = decoded.boxes[0, :1], decoded.scores[0, :1]  # one that is sound is enough
    if not _finite(*first).any() and not _finite(decoded.boxes, decoded.scores).any():
        raise WeightsError(
            "the model's outputs are not numbers (NaN or infinity), so nothing can be detected "
            "or scored. Train it again with a lower train.lr"
        )
    return decoded


def _select(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    letterbox: Letterbox,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Traced:
    hits = np.flatnonzero(scores > score_threshold) // scores.shape[1]
    hits = hits[np.diff(hits, prepend=-1) > 0]  # most boxes need no more than this
    scores, sound = scores[hits], _finite(boxes[hits], scores[hits])
    boxes = _clip_to_picture(boxes[hits], letterbox)
    sound &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    candidates = np.flatnonzero((scores > score_threshold) & sound[:, None] & wanted)  # [M]
    rows, labels = np.divmod(candidates, scores.shape[1])
    boxes, scores = boxes[rows], scores.reshape(-1)[candidates]
    kept = class_aware_nms(boxes, scores, labels, iou_threshold, max_detections)
    found = boxes_to_original(boxes[kept], letterbox)
    area = (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])  # rounding may close a sliver
    detections = Detections(
        boxes=found[area],
        scores=scores[kept].astype(np.float32)[area],
        labels=labels[kept].astype(np.int64)[area],
    )
    return Traced(detections, hits[rows[kept][area]])


def _finite(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """[..., N] whether all numbers of a box are."""
    finite = np.isfinite(boxes).all(-1) & np.isfinite(scores).all(-1)
    return np.asarray(finite, dtype=np.bool_)


def _clip_to_picture(boxes: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    left, top = letterbox.pad_xy
    height, width = resized_hw(letterbox)
    low = np.array([left, top, left, top], dtype=np.float32)
    high = np.array([left + width, top + height] * 2, dtype=np.float32)
    return np.minimum(np.maximum(boxes, low), high)
