"""Where labels stand on a picture: none on another, and none on an object that is not theirs.

Shape legend: N boxes, K places that a label could take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels; the far edge is outside

_HIDDEN = 0.05  # share of an object that a label may hide where it stands best
_OWN_WEIGHT = 0.3  # of its own object: nobody takes a label on it for a neighbour's


def place_labels(
    boxes: Sequence[Rectangle],
    label_shapes: Sequence[tuple[int, ...]],
    picture_shape: tuple[int, ...],
) -> list[Rectangle | None]:
    """A place for the label of each box, the first boxes first.

    A label stands above its box where it hides little of other objects, else inside, below or
    beside it, else where it hides least; always inside the picture, and never on another label.

    Args:
        boxes: N, inside the picture.
        label_shapes: N (height, width, ...) in pixels.
        picture_shape: (height, width, ...) in pixels.

    Returns:
        N rectangles; None where there is no room that is not taken.
    """
    objects = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    taken = np.zeros((0, 4))
    places: list[Rectangle | None] = []
    for index, (box, shape) in enumerate(zip(boxes, label_shapes, strict=True)):
        found = np.array(_places(box, shape, picture_shape), dtype=np.float64)  # [K, 4]
        found = found[~(_overlaps(found, taken) > 0).any(axis=1)]
        if not len(found):
            places.append(None)
            continue
        hidden = _overlaps(found, objects) / _areas(objects)  # [K, N]
        hidden[:, index] *= _OWN_WEIGHT
        cost = np.maximum(hidden.sum(axis=1), _HIDDEN)  # so little is nothing: the first is taken
        best = found[int(cost.argmin())]
        taken = np.vstack([taken, best])
        x1, y1, x2, y2 = (int(value) for value in best)
        places.append((x1, y1, x2, y2))
    return places


def _places(box: Rectangle, label: tuple[int, ...], picture: tuple[int, ...]) -> list[Rectangle]:
    """Where a label could stand, the usual places first."""
    x1, y1, x2, y2 = box
    height, width = label[:2]
    corners = [(x1, y1 - height), (x1, y1), (x1, y2), (x2 - width, y1 - height), (x2 - width, y2)]
    if x2 - x1 >= width and y2 - y1 >= 3 * height:  # a label inside hides little of the object
        corners += [(x2 - width, y1), (x1, y2 - height), (x2 - width, y2 - height)]
    beside = [(x, y) for y in (y1, y2 - height) for x in (x2, x1 - width)]
    corners += [(x, y) for x, y in beside if 0 <= x <= picture[1] - width]
    inside = [(x, y) for x, y in corners if 0 <= y <= picture[0] - height]
    return [_kept_inside(corner, label, picture) for corner in inside or corners[1:2]]


def _kept_inside(
    corner: tuple[int, int], label: tuple[int, ...], picture: tuple[int, ...]
) -> Rectangle:
    x = max(0, min(corner[0], picture[1] - label[1]))
    y = max(0, min(corner[1], picture[0] - label[0]))
    return x, y, min(x + label[1], picture[1]), min(y + label[0], picture[0])


def _overlaps(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, M] pixels that each of K rectangles shares with each of M."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    sides: NDArray[np.float64] = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], dtype=np.float64)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(sizes[:, 0] * sizes[:, 1], dtype=np.float64)
