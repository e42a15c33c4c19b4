"""Non-maximum suppression, class by class, in NumPy: only as far as boxes are wanted.

Shape legend: N candidates, M of a block, K kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FEW = 192  # candidates; so few are all compared with one another at once
_FIRST_BLOCK = 1024  # candidates; enough for most pictures, sorted in a tenth of a millisecond
_SHORT = 2**15
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
    in blocks, and most of those below the last one that is kept never are.

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
    rest = np.arange(len(scores))
    size = max(_FIRST_BLOCK, max_detections)
    while len(rest) and len(kept) < max_detections:
        block, rest = _best(rest, scores, size)
        wanted = max_detections - len(kept)
        if iou_threshold < 1:
            block = _survivors(block, boxes, labels, iou_threshold, wanted)
            if len(block) < wanted:
                rest = _without_overlapped(rest, block, boxes, labels, iou_threshold)
        kept.extend(block[:wanted].tolist())
        size *= _GROWTH
    return np.array(kept, dtype=np.int64)


def _best(
    indices: NDArray[np.int64], scores: NDArray[np.float32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best by descending score, ties in input order, and the rest.

    They are ``size`` of the ascending indices, and all that tie with the last one.
    """
    own = scores[indices]
    if len(indices) > size:
        limit = np.partition(own, len(own) - size)[len(own) - size]
        above = own >= limit
        indices, own, rest = indices[above], own[above], indices[~above]
    else:
        rest = indices[:0]
    return indices[np.argsort(-own, kind="stable")], rest


def _survivors(
    block: NDArray[np.int64],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
    wanted: int,
) -> NDArray[np.int64]:
    """Those of a sorted block that survive the better ones in it, at most ``wanted``."""
    if len(block) <= _FEW:
        return _survivors_of_few(block, boxes, labels, iou_threshold, wanted)
    corners = boxes[block].astype(np.float64)  # [M, 4]
    classes = _places_by_class(labels[block])
    alive = np.ones(len(block), dtype=np.bool_)
    found: list[int] = []
    place = _next(alive, 0)
    while place >= 0 and len(found) < wanted:
        found.append(place)
        own = classes[int(labels[block[place]])]
        lower = own[np.searchsorted(own, place, side="right") :]
        lower = lower[alive[lower]]
        alive[lower[_iou(corners[place], corners[lower]) > iou_threshold]] = False
        place = _next(alive, place + 1)
    return block[np.array(found, dtype=np.int64)]


def _survivors_of_few(
    block: NDArray[np.int64],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
    wanted: int,
) -> NDArray[np.int64]:
    """``_survivors``, from the overlaps of all pairs: faster where these are few."""
    corners, own = boxes[block].astype(np.float64), labels[block]
    spared = (_iou(corners[:, None], corners) <= iou_threshold) | (own[:, None] != own)  # [M, M]
    alive = np.ones(len(block), dtype=np.bool_)
    found: list[int] = []
    for place, row in enumerate(spared):
        if alive[place]:
            found.append(place)
            alive &= row
    return block[np.array(found[:wanted], dtype=np.int64)]


def _without_overlapped(
    rest: NDArray[np.int64],
    kept: NDArray[np.int64],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
) -> NDArray[np.int64]:
    """Those of the unsorted rest that no box kept above them suppresses, order unchanged."""
    if not len(rest):
        return rest
    classes = _places_by_class(labels[rest])
    for index in kept.tolist():
        label = int(labels[index])
        places = classes.get(label)
        if places is not None:
            overlaps = _iou(boxes[index], boxes[rest[places]].astype(np.float64))
            classes[label] = places[overlaps <= iou_threshold]
    left: NDArray[np.int64] = np.sort(np.concatenate(list(classes.values())))
    return rest[left]


def _places_by_class(labels: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Label -> the places where it stands, ascending; of at least one label."""
    if labels.max() < _SHORT:
        labels = labels.astype(np.int16)  # which NumPy sorts by radix
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    present = labels[order[np.concatenate(([0], starts))]]
    return dict(zip(present.tolist(), np.split(order, starts), strict=True))


def _next(alive: NDArray[np.bool_], start: int) -> int:
    """The first place from ``start`` on that is alive, or -1."""
    rest = alive[start:]
    first = int(rest.argmax()) if len(rest) else 0
    return start + first if len(rest) and rest[first] else -1


def _iou(box: NDArray[np.floating], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU in float64; 0 where neither has an area.

    Args:
        box: [4], or [M, 1, 4] for each of several.
        others: [M, 4].

    Returns:
        [M], or [M, M].
    """
    exact = box.astype(np.float64)
    x1, y1, x2, y2 = (exact[..., side] for side in range(4))
    width = np.minimum(x2, others[:, 2]) - np.maximum(x1, others[:, 0])
    height = np.minimum(y2, others[:, 3]) - np.maximum(y1, others[:, 1])
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = (x2 - x1) * (y2 - y1) + areas - overlap
    found: NDArray[np.float64] = np.zeros_like(overlap)
    np.divide(overlap, union, out=found, where=union > 0)
    return found
