"""Non-maximum suppression, class by class, in NumPy: only as far as boxes are wanted.

Shape legend: N candidates, M of a block, K kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_FIRST_BLOCK = 1024  # candidates; enough for most pictures, sorted in a tenth of a millisecond
_GROWTH = 4  # a block is this many times the one before


def class_aware_nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
    max_detections: int,
) -> NDArray[np.int64]:
    """The indices of the boxes that survive, best first.

    A box falls when a better one of its own class that survives overlaps it by more than
    ``iou_threshold``. Equal scores keep their input order. The result is that of suppressing
    among all boxes and taking the first ``max_detections``; but candidates are sorted and compared
    in blocks, and those below the last one that is kept never are.

    Args:
        boxes: [N, 4] xyxy, any frame, non-negative sizes, finite.
        scores: [N] finite.
        labels: [N].
        iou_threshold: 0..1; 1 suppresses nothing.
        max_detections: at most this many are kept, at least 1.

    Returns:
        [M] int64 indices into ``boxes``, M <= max_detections; empty for empty input.
    """
    kept: list[int] = []
    for block in _descending_blocks(scores, max_detections):
        if iou_threshold < 1:
            block = _suppress(block, kept, boxes, labels, iou_threshold, max_detections)
        kept.extend(block[: max_detections - len(kept)].tolist())
        if len(kept) == max_detections:
            break
    return np.array(kept, dtype=np.int64)


def _descending_blocks(
    scores: NDArray[np.float32], max_detections: int
) -> Iterator[NDArray[np.int64]]:
    """Indices by descending score, ties in input order, in growing blocks."""
    rest = np.arange(len(scores))
    size = max(_FIRST_BLOCK, max_detections)
    while len(rest) > size:
        limit = np.partition(scores[rest], len(rest) - size)[len(rest) - size]
        above = scores[rest] >= limit  # with all that tie with the last one
        yield _sorted(rest[above], scores)
        rest = rest[~above]
        size *= _GROWTH
    if len(rest):
        yield _sorted(rest, scores)


def _sorted(indices: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return indices[np.argsort(-scores[indices], kind="stable")]


def _suppress(
    block: NDArray[np.int64],
    kept: list[int],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
    max_detections: int,
) -> NDArray[np.int64]:
    """The indices of a sorted block that survive what is kept and each other."""
    corners = boxes[block].astype(np.float64)  # [M, 4]
    classes = _places_by_class(labels[block])
    alive = np.ones(len(block), dtype=np.bool_)
    for index in kept:
        places = classes.get(int(labels[index]))
        if places is not None:
            places = places[alive[places]]
            alive[places[_iou(boxes[index], corners[places]) > iou_threshold]] = False
    survivors: list[int] = []
    place = _next(alive, 0)
    while place >= 0 and len(kept) + len(survivors) < max_detections:
        survivors.append(place)
        own = classes[int(labels[block[place]])]
        lower = own[np.searchsorted(own, place, side="right") :]
        lower = lower[alive[lower]]
        alive[lower[_iou(corners[place], corners[lower]) > iou_threshold]] = False
        place = _next(alive, place + 1)
    return block[survivors]


def _places_by_class(labels: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Label -> the places where it stands, ascending; of at least one label."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    return dict(zip(present.tolist(), np.split(order, starts[1:]), strict=True))


def _next(alive: NDArray[np.bool_], start: int) -> int:
    """The first place from ``start`` on that is alive, or -1."""
    rest = alive[start:]
    first = int(rest.argmax()) if len(rest) else 0
    return start + first if len(rest) and rest[first] else -1


def _iou(box: NDArray[np.floating], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU [M] of one box with others [M, 4], in float64; 0 where neither has an area."""
    x1, y1, x2, y2 = box.astype(np.float64)
    width = np.minimum(x2, others[:, 2]) - np.maximum(x1, others[:, 0])
    height = np.minimum(y2, others[:, 3]) - np.maximum(y1, others[:, 1])
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = (x2 - x1) * (y2 - y1) + areas - overlap
    found: NDArray[np.float64] = np.zeros_like(overlap)
    np.divide(overlap, union, out=found, where=union > 0)
    return found
