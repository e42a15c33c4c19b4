"""What a grid that holds one object a cell can hold of a data set, however well it is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.heads.cells import first_in_cell
from yolokit.ops.letterbox import boxes_to_input, fit_letterbox


@dataclass(frozen=True, slots=True, eq=False)
class GridCeiling:
    """The truths that a grid can hold.

    Args:
        grid_size: cells along each side.
        kept: [N] bool, beside the data set's ``boxes``; False for crowds.
        truths: number of boxes that are not crowds.
    """

    grid_size: int
    kept: NDArray[np.bool_]
    truths: int

    @property
    def recall(self) -> float:
        """The share of truths that are kept; NaN where there are none."""
        return int(self.kept.sum()) / self.truths if self.truths else float("nan")


def grid_ceiling(dataset: CocoDataset, *, grid_size: int, image_hw: tuple[int, int]) -> GridCeiling:
    """Mark the truths that own a cell: in each cell the first in file order, as in YOLOv1.

    It is the training loss's own assignment, on pictures letterboxed but not augmented.

    Args:
        dataset: the split.
        grid_size: cells along each side of the network's input.
        image_hw: the network input's (height, width), pixels.
    """
    kept = np.zeros(len(dataset.boxes), dtype=np.bool_)
    stride_hw = (image_hw[0] / grid_size, image_hw[1] / grid_size)
    for index in range(len(dataset)):
        boxes, _, crowd = dataset.truth(index)
        height, width = dataset.sizes_hw[index].tolist()
        placed = boxes_to_input(boxes[~crowd], fit_letterbox((height, width), image_hw))
        cells = first_in_cell(torch.from_numpy(placed), (grid_size, grid_size), stride_hw)
        owned = np.flatnonzero(~crowd)[cells.kept.numpy()]
        kept[dataset.box_offsets[index] + owned] = True
    return GridCeiling(grid_size=grid_size, kept=kept, truths=int((~dataset.crowd).sum()))
