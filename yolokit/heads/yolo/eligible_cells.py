"""Which cells of the ``yolo`` head may answer for a box, wherever the box is among them.

Shape legend: ... any leading dimensions, T boxes, N cells of all levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from yolokit.heads.yolo.codec import Cells


def eligible_cells(boxes: Tensor, cells: Cells) -> Tensor:
    """Cells whose centre lies in the box; for a box that holds none, the nearest of each level.

    Args:
        boxes: [..., T, 4] xyxy input pixels.
        cells: of all levels.

    Returns:
        [..., T, N] bool, true somewhere for every box, even one without area.
    """
    x, y = cells.centres.unbind(-1)
    left, top, right, bottom = boxes[..., None].unbind(-2)  # each [..., T, 1]
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    tiny = ~inside.any(-1, keepdim=True)
    return inside | (tiny & _nearest(boxes, cells))


def _nearest(boxes: Tensor, cells: Cells) -> Tensor:
    """The cell of each level [..., T, N] whose centre is nearest to that of the box."""
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    gaps = (middles[..., None, :] - cells.centres).square().sum(-1)  # [..., T, N]
    nearest = torch.zeros_like(gaps, dtype=torch.bool)
    for stride in set(cells.strides.tolist()):
        others = cells.strides != stride
        index = gaps.masked_fill(others, torch.inf).argmin(-1, keepdim=True)
        nearest.scatter_(-1, index, True)
    return nearest
