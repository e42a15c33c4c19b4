"""What a head can predict of a data set's truths, however well it is trained, and why not all.

Shape legend: N boxes of the whole split.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.heads.family import HeadFamily
from yolokit.ops.letterbox import boxes_to_input, fit_letterbox

CAUSES = ("contested", "out_of_reach", "off_centre", "vanished")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HeadCeiling:
    """The best that a head can predict of each truth; crowds have no overlap and no cause.

    Args:
        boxes: [N, 4] float32 xyxy input pixels, beside the data set's boxes: what is predicted.
        overlaps: [N] float32, IoU of that and the truth; 0 where nothing can be predicted.
        contested: [N] bool, as in ``PictureCeiling``; so are ``out_of_reach``, ``off_centre``
            and ``narrow``, which makes a box hard but costs nothing by itself.
        vanished: [N] bool, without area once the picture is scaled to the input.
    """

    boxes: NDArray[np.float32]
    overlaps: NDArray[np.float32]
    contested: NDArray[np.bool_]
    out_of_reach: NDArray[np.bool_]
    off_centre: NDArray[np.bool_]
    vanished: NDArray[np.bool_]
    narrow: NDArray[np.bool_]


def head_ceiling(
    dataset: CocoDataset, family: HeadFamily, *, image_hw: tuple[int, int]
) -> HeadCeiling:
    """The best a head can predict of each truth; pictures are letterboxed, not augmented.

    Args:
        dataset: the split.
        family: of the head.
        image_hw: the network input's (height, width), pixels.
    """
    boxes = _input_boxes(dataset, image_hw)
    nothing = np.zeros(len(boxes), dtype=np.bool_)
    found = HeadCeiling(
        boxes=boxes.copy(),
        overlaps=np.zeros(len(boxes), dtype=np.float32),
        vanished=(_sides(boxes).min(axis=1) <= 0) & ~dataset.crowd,
        **{name: nothing.copy() for name in ("contested", "out_of_reach", "off_centre", "narrow")},
    )
    for start, end in zip(dataset.box_offsets[:-1], dataset.box_offsets[1:], strict=True):
        rows = np.flatnonzero(~dataset.crowd[start:end]) + start
        if len(rows):
            part = family.ceiling(boxes[rows], image_hw)
            for field in dataclasses.fields(part):
                getattr(found, field.name)[rows] = getattr(part, field.name)
    return found


def _input_boxes(dataset: CocoDataset, image_hw: tuple[int, int]) -> NDArray[np.float32]:
    placed = [np.zeros((0, 4), dtype=np.float32)]
    for index in range(len(dataset)):
        height, width = dataset.sizes_hw[index].tolist()
        letterbox = fit_letterbox((height, width), image_hw)
        placed.append(boxes_to_input(dataset.truth(index).boxes, letterbox))
    return np.concatenate(placed)


def _sides(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]
