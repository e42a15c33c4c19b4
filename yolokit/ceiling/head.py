"""What a head can say of a data set's truths, however well it is trained, and why not all.

Shape legend: N boxes of the whole split, T boxes of one picture, M pairs of a box and a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.ceiling.grid import grid_ceiling
from yolokit.data.coco import CocoDataset
from yolokit.heads.yolo.codec import Cells, cells_at, decode_distances, encode_distances
from yolokit.heads.yolo.eligible_cells import eligible_cells
from yolokit.heads.yolo.matching import match_boxes_to_cells
from yolokit.ops.iou import iou
from yolokit.ops.letterbox import boxes_to_input, fit_letterbox

GOOD = 0.95  # IoU: COCO's last threshold; a box that is said better than this costs no AP
_SAME = 1e-2  # px: two sides this close are the same
CAUSES = ("contested", "out_of_reach", "off_centre", "vanished")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HeadCeiling:
    """The best that a head can say of each truth; crowds are said of no one and lost to nothing.

    Args:
        boxes: [N, 4] float32 xyxy input pixels, beside the data set's boxes: what the head says.
        overlaps: [N] float32, IoU of that and the truth; 0 where nothing can be said.
        contested: [N] bool, every cell that could say it well has another truth to tell of.
        out_of_reach: [N] bool, said too small, because a side is farther than the code reaches.
        off_centre: [N] bool, said too large, because the box holds no cell's centre.
        vanished: [N] bool, without area once the picture is scaled to the input.
        narrow: [N] bool, narrower than a cell of the finest grid: hard, but not lost by that.
            False for ``yolov1``, whose cells are made for objects smaller than they are.
    """

    boxes: NDArray[np.float32]
    overlaps: NDArray[np.float32]
    contested: NDArray[np.bool_]
    out_of_reach: NDArray[np.bool_]
    off_centre: NDArray[np.bool_]
    vanished: NDArray[np.bool_]
    narrow: NDArray[np.bool_]


def yolov1_ceiling(
    dataset: CocoDataset, *, grid_size: int, image_hw: tuple[int, int]
) -> HeadCeiling:
    """Of a grid with one object a cell: the first in file order owns it and is said exactly."""
    kept = grid_ceiling(dataset, grid_size=grid_size, image_hw=image_hw).kept
    boxes = _input_boxes(dataset, image_hw)
    has_area = _sides(boxes).min(axis=1) > 0
    nothing = np.zeros(len(boxes), dtype=np.bool_)
    return HeadCeiling(
        boxes=boxes,
        overlaps=(kept & has_area).astype(np.float32),
        contested=~kept & has_area & ~dataset.crowd,
        out_of_reach=nothing,
        off_centre=nothing,
        vanished=~has_area & ~dataset.crowd,
        narrow=nothing,
    )


def yolo_ceiling(
    dataset: CocoDataset, *, strides: Sequence[int], bins: int, image_hw: tuple[int, int]
) -> HeadCeiling:
    """Of grids of several strides with one box a cell, shared out in the best way there is.

    Which cells may serve a box is the training's rule (``eligible_cells``), and what a cell can
    say of it the head's code (``encode_distances``). Pictures are letterboxed, not augmented.

    Args:
        dataset: the split.
        strides: pixels a cell, one grid each.
        bins: R of the code.
        image_hw: the network input's (height, width), pixels.
    """
    cells = cells_at(image_hw, strides)
    boxes = _input_boxes(dataset, image_hw)
    usable = (_sides(boxes).min(axis=1) > 0) & ~dataset.crowd
    said, overlaps, best = boxes.copy(), np.zeros(len(boxes), np.float32), boxes[:, 0] * 0
    for start, end in zip(dataset.box_offsets[:-1], dataset.box_offsets[1:], strict=True):
        rows = np.flatnonzero(usable[start:end]) + start
        if len(rows):
            said[rows], overlaps[rows], best[rows] = _share_out(boxes[rows], cells, bins)
    costly = usable & (overlaps < GOOD)
    contested = costly & ((best >= GOOD) | (overlaps == 0))
    low, high = said[:, :2] - boxes[:, :2], boxes[:, 2:] - said[:, 2:]
    too_small = np.maximum(low, high).max(axis=1) > _SAME
    return HeadCeiling(
        boxes=said,
        overlaps=overlaps,
        contested=contested,
        out_of_reach=costly & ~contested & too_small,
        off_centre=costly & ~contested & ~too_small,
        vanished=~usable & ~dataset.crowd,
        narrow=(_sides(boxes).min(axis=1) < min(strides)) & ~dataset.crowd,
    )


def _share_out(
    boxes: NDArray[np.float32], cells: Cells, bins: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Of one picture's boxes [T, 4]: what is said of them, its IoU, and the IoU they could have."""
    truth = torch.from_numpy(boxes)
    owners, places = eligible_cells(truth, cells).nonzero(as_tuple=True)  # [M]
    there = Cells(cells.centres[places], cells.strides[places])
    codes = encode_distances(truth[owners], there.centres, there.strides, bins)
    decoded = decode_distances(codes, there)  # [M, 4]
    overlaps = iou(decoded, truth[owners]).numpy()
    chosen = match_boxes_to_cells(owners.numpy(), places.numpy(), overlaps, len(boxes))
    served = chosen >= 0
    said, reached, best = boxes.copy(), np.zeros(len(boxes), np.float32), boxes[:, 0] * 0
    said[served], reached[served] = decoded.numpy()[chosen[served]], overlaps[chosen[served]]
    np.maximum.at(best, owners.numpy(), overlaps)
    return said, reached, best


def _input_boxes(dataset: CocoDataset, image_hw: tuple[int, int]) -> NDArray[np.float32]:
    placed = [np.zeros((0, 4), dtype=np.float32)]
    for index in range(len(dataset)):
        height, width = dataset.sizes_hw[index].tolist()
        letterbox = fit_letterbox((height, width), image_hw)
        placed.append(boxes_to_input(dataset.truth(index).boxes, letterbox))
    return np.concatenate(placed)


def _sides(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]
