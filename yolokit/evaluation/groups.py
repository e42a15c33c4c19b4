"""Which objects are found: by their size, and by how close others stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.matching import Matching, overlaps, rows_by_image

_SMALL, _LARGE = 32**2, 96**2  # square pixels, COCO's limits
_CROWDED_IOU = 0.2  # with a neighbour, from which much of an object is hidden or shared


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the objects.

    Args:
        name: what they have in common.
        objects: how many.
        found: of these, at the threshold that was asked for.
        ever_found: of these, at any score.
    """

    name: str
    objects: int
    found: int
    ever_found: int


def groups_by_size(matching: Matching, *, threshold: float) -> list[Group]:
    """Small, medium and large objects by COCO's areas, in original pixels."""
    areas = matching.truth.areas
    return _groups(
        matching,
        threshold,
        {
            "small, below 32 x 32 px": areas < _SMALL,
            "medium": (areas >= _SMALL) & (areas <= _LARGE),
            "large, above 96 x 96 px": areas > _LARGE,
        },
    )


def groups_by_crowding(matching: Matching, *, threshold: float) -> list[Group]:
    """Objects by the IoU with the neighbour, of any class, that overlaps them most."""
    most = neighbour_overlap(matching)
    return _groups(
        matching,
        threshold,
        {
            "apart from others": most == 0,
            f"overlapping, IoU up to {_CROWDED_IOU:g}": (most > 0) & (most <= _CROWDED_IOU),
            f"crowded, IoU above {_CROWDED_IOU:g}": most > _CROWDED_IOU,
        },
    )


def neighbour_overlap(matching: Matching) -> NDArray[np.float64]:
    """[T] the largest IoU of each object with another one in its picture; crowds are none."""
    most = np.zeros(len(matching.truth))
    for rows in rows_by_image(matching.truth).values():
        objects = rows[matching.wanted[rows]]
        if len(objects) > 1:
            boxes = matching.truth.boxes_xywh[objects]
            iou = overlaps(boxes, boxes)
            np.fill_diagonal(iou, 0)
            most[objects] = iou.max(axis=1)
    return most


def _groups(
    matching: Matching, threshold: float, members: dict[str, NDArray[np.bool_]]
) -> list[Group]:
    ever = matching.finder >= 0
    scores = np.append(matching.detections.scores, -np.inf)  # row -1: of nobody
    found = scores[matching.finder] > threshold
    groups = []
    for name, inside in members.items():
        wanted = inside & matching.wanted
        counts = [int((wanted & each).sum()) for each in (wanted, found, ever)]
        groups.append(Group(name, *counts))
    return groups
