"""What the ``yolov1`` head can predict of a picture's boxes, however well it is trained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.heads.cells import first_in_cell
from yolokit.heads.family import PictureCeiling


def yolov1_ceiling(
    boxes: NDArray[np.float32], *, grid_size: int, image_hw: tuple[int, int]
) -> PictureCeiling:
    """Of a grid with one object a cell: the first in order owns it and is predicted exactly.

    No box is narrow: the cells are made for objects smaller than they are.

    Args:
        boxes: [T, 4] xyxy input pixels, one picture's; without area they own a cell but count
            for nothing.
        grid_size: S.
        image_hw: the network input's (height, width), pixels.
    """
    stride_hw = (image_hw[0] / grid_size, image_hw[1] / grid_size)
    owners = first_in_cell(torch.from_numpy(boxes), (grid_size, grid_size), stride_hw).kept
    kept = np.zeros(len(boxes), dtype=np.bool_)
    kept[owners.numpy()] = True
    has_area = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 0
    nothing = np.zeros(len(boxes), dtype=np.bool_)
    return PictureCeiling(
        boxes=boxes,
        overlaps=(kept & has_area).astype(np.float32),
        contested=~kept & has_area,
        out_of_reach=nothing,
        off_centre=nothing,
        narrow=nothing,
    )
