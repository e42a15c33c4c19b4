"""What the ``yolo`` head can predict of a picture's boxes, however well it is trained.

Shape legend: T boxes of one picture, N cells of all levels, M pairs of a box and a cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.heads.family import PictureCeiling
from yolokit.heads.yolo.codec import Cells, cells_at, decode_distances, encode_distances
from yolokit.heads.yolo.eligible_cells import eligible_cells
from yolokit.heads.yolo.matching import match_boxes_to_cells
from yolokit.ops.iou import iou

_GOOD = 0.95  # IoU: COCO's last threshold; a box predicted better than this costs no AP
_SAME = 1e-2  # px: two sides this close are the same


def yolo_ceiling(
    boxes: NDArray[np.float32], *, strides: Sequence[int], bins: int, image_hw: tuple[int, int]
) -> PictureCeiling:
    """Of grids of several strides with one box a cell, shared out in the best way there is.

    Which cells may serve a box is the training's rule (``eligible_cells``), and what a cell can
    predict of it the head's code (``encode_distances``).

    Args:
        boxes: [T, 4] xyxy input pixels, one picture's; those without area get no cell.
        strides: pixels a cell, one grid each.
        bins: R of the code.
        image_hw: the network input's (height, width), pixels.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    usable = sides > 0
    predicted, overlaps, best = boxes.copy(), np.zeros(len(boxes), np.float32), boxes[:, 0] * 0
    if usable.any():
        shared = _share_out(boxes[usable], cells_at(image_hw, strides), bins)
        predicted[usable], overlaps[usable], best[usable] = shared
    costly = usable & (overlaps < _GOOD)
    contested = costly & ((best >= _GOOD) | (overlaps == 0))
    low, high = predicted[:, :2] - boxes[:, :2], boxes[:, 2:] - predicted[:, 2:]
    too_small = np.maximum(low, high).max(axis=1, initial=-np.inf) > _SAME
    return PictureCeiling(
        boxes=predicted,
        overlaps=overlaps,
        contested=contested,
        out_of_reach=costly & ~contested & too_small,
        off_centre=costly & ~contested & ~too_small,
        narrow=sides < min(strides),
    )


def _share_out(
    boxes: NDArray[np.float32], cells: Cells, bins: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Of boxes [T, 4]: what is predicted of them, its IoU, and the IoU they could have."""
    truth = torch.from_numpy(boxes)
    owners, places = eligible_cells(truth, cells).nonzero(as_tuple=True)  # [M]
    there = Cells(cells.centres[places], cells.strides[places])
    codes = encode_distances(truth[owners], there.centres, there.strides, bins)
    decoded = decode_distances(codes, there)  # [M, 4]
    overlaps = iou(decoded, truth[owners]).numpy()
    chosen = match_boxes_to_cells(owners.numpy(), places.numpy(), overlaps, len(boxes))
    served = chosen >= 0
    predicted, reached, best = boxes.copy(), np.zeros(len(boxes), np.float32), boxes[:, 0] * 0
    predicted[served], reached[served] = decoded.numpy()[chosen[served]], overlaps[chosen[served]]
    np.maximum.at(best, owners.numpy(), overlaps)
    return predicted, reached, best
