"""The cells of grids: which box owns which, and which of them a decoded box comes from.

Shape legend: S_h × S_w cells, N boxes, M boxes that own a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from yolokit.heads.family import CellPlaces
from yolokit.types import GridOutput


class OwnedCells(NamedTuple):
    """Boxes that own a cell: kept [M] int64 indices, ascending, and rows, cols [M] of the cells."""

    kept: Tensor
    rows: Tensor
    cols: Tensor


def first_in_cell(
    boxes: Tensor, grid_hw: tuple[int, int], stride_hw: tuple[float, float]
) -> OwnedCells:
    """Give each box the cell its centre falls in; the first in order owns a contested cell.

    Args:
        boxes: [N, 4] float32 xyxy input pixels, centres inside the input (a centre exactly on the
            right or bottom edge belongs to the last cell).
        grid_hw: (S_h, S_w).
        stride_hw: input pixels per cell, (vertical, horizontal).

    Returns:
        Those that own one; all fields empty when N is 0.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    cols = (centres[:, 0] / stride_hw[1]).floor().long().clamp(0, grid_hw[1] - 1)
    rows = (centres[:, 1] / stride_hw[0]).floor().long().clamp(0, grid_hw[0] - 1)
    cell = rows * grid_hw[1] + cols
    order = torch.arange(len(boxes), device=boxes.device)
    first = torch.full((grid_hw[0] * grid_hw[1],), len(boxes), device=boxes.device)
    first = first.scatter_reduce(0, cell, order, reduce="amin")
    kept = order[first[cell] == order]
    return OwnedCells(kept, rows[kept], cols[kept])


def places_in(levels: Mapping[int, GridOutput]) -> CellPlaces:
    """Where each box comes from when levels follow each other, row by row, cell by cell.

    Args:
        levels: by their index in the head's outputs, in the order in which they are decoded.
    """
    parts = []
    for index, output in levels.items():
        grid = np.indices(output.box_codes.shape[1:4]).reshape(3, -1)  # [3, S_h · S_w · A]
        parts.append(np.concatenate((np.full_like(grid[:1], index), grid)))
    return CellPlaces(*np.concatenate(parts, axis=1))
