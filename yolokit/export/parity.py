"""Whether an exported file finds what the model finds, box by box.

Shape legend: H × W input pixels, N boxes of a picture, C classes, K of them compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ExportError
from yolokit.inference.backend import Backend
from yolokit.models.export_record import ParityRecord, PictureSource
from yolokit.types import DecodedArrays

LOWEST_IOU = 0.99  # of a box and its exported self
MOST_SCORE_DIFFERENCE = 1e-3
_COMPARED = 100  # best boxes of a picture, whatever they score
_SCORING = 0.01  # and all that score more than this
_SAME_PX = 0.01  # corners that differ by less are the same, however small the box


class _Closeness(NamedTuple):
    """Boxes compared, their lowest IoU, and the largest difference of any score."""

    boxes: int
    lowest_iou: float
    score_difference: float


def compare(
    original: Backend,
    exported: Backend,
    pictures: Iterable[NDArray[np.uint8]],
    source: PictureSource,
) -> ParityRecord:
    """Run both on the same pictures and compare every score, and the boxes that matter.

    Those are the best of each picture, in the original's eyes and in the exported one's, and all
    that score more than a hundredth.

    Args:
        original, exported: give all boxes, in the same order.
        pictures: [H, W, 3] uint8 RGB of the network's input size, at least one.
        source: where they are from.

    Raises:
        ExportError: the two do not even give the same number of boxes, or not numbers.
        WeightsError: see ``Backend``.
    """
    found = [_closeness(original(each[None]), exported(each[None])) for each in pictures]
    boxes = sum(each.boxes for each in found)
    return ParityRecord(
        pictures=len(found),
        source=source,
        boxes=boxes,
        score_difference=max(each.score_difference for each in found),
        lowest_iou=min(each.lowest_iou for each in found) if boxes else None,
    )


def require_parity(record: ParityRecord) -> None:
    """Close the gate to a file that is not what the model is.

    Raises:
        ExportError: a box or a score differs by more than rounding explains.
    """
    iou = 1.0 if record.lowest_iou is None else record.lowest_iou
    if iou >= LOWEST_IOU and record.score_difference <= MOST_SCORE_DIFFERENCE:
        return
    raise ExportError(
        f"the exported file does not find what the model finds: on {record.pictures} pictures "
        f"scores differ by up to {record.score_difference:.3g} (allowed {MOST_SCORE_DIFFERENCE:g}) "
        f"and the lowest IoU of a box with itself is {iou:.3f} (allowed {LOWEST_IOU:g}). Nothing "
        "was written; report this with the versions of `yolokit env`"
    )


def _closeness(original: DecodedArrays, exported: DecodedArrays) -> _Closeness:
    if original.boxes.shape != exported.boxes.shape:
        raise ExportError(
            f"the exported file gives {exported.boxes.shape[1]} boxes where the model gives "
            f"{original.boxes.shape[1]}. Report this with the versions of `yolokit env`"
        )
    if not (np.isfinite(exported.boxes).all() and np.isfinite(exported.scores).all()):
        raise ExportError(
            "the exported file answers with NaN or infinity. Nothing was written; export in f32"
        )
    differences = np.abs(original.scores - exported.scores)
    wanted = _that_matter(original.scores[0]) | _that_matter(exported.scores[0])  # [N]
    overlaps = _pair_iou(original.boxes[0][wanted], exported.boxes[0][wanted])  # [K]
    return _Closeness(
        len(overlaps), float(overlaps.min(initial=1.0)), float(differences.max(initial=0.0))
    )


def _that_matter(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """[N] of scores [N, C]: the best of the picture, and all that score enough."""
    best = scores.max(axis=1)
    wanted: NDArray[np.bool_] = best > _SCORING
    wanted[np.argsort(-best, kind="stable")[:_COMPARED]] = True
    return wanted


def _pair_iou(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU [K] of each box [K, 4] with the other of its row; 1 where they are the same corners."""
    a, b = boxes.astype(np.float64), others.astype(np.float64)
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    overlap = sides.clip(min=0).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - overlap
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    same: NDArray[np.float64] = np.where(np.abs(a - b).max(axis=1) < _SAME_PX, 1.0, iou)
    return same
