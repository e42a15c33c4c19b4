"""Centre assignment: a fixed rule by place and size, blind to predictions (Tian et al. 2019, FCOS).

What assignment was before it learnt to ask the network. Kept to measure what asking is worth.

Shape legend: B images, N cells of all levels, T truths of the fullest image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from yolokit.heads.yolo.codec import Cells
from yolokit.heads.yolo.task_aligned import Assignment, PaddedTruths
from yolokit.ops.iou import iou

_RADIUS = 1.5  # strides from the middle of a box within which cells answer for it
_REACH = 8.0  # strides: a box with a side farther from its middle goes to a deeper level


@torch.no_grad()
def assign_centre(
    boxes: Tensor, cells: Cells, truths: PaddedTruths, *, nearest_only: bool = False
) -> Assignment:
    """Give each truth the cells near its middle, at the level that suits its size.

    A cell serves when its centre lies in the box and within 1.5 strides of its middle, on the
    finest level whose cells reach the sides in eight strides. A box too small to hold such a
    centre takes the nearest cell of that level. A contested cell goes to the smallest box.

    Args:
        boxes: [B, N, 4] predicted, xyxy input pixels; they set only the quality, their IoU.
        cells: of all levels.
        truths: of the batch.
        nearest_only: one cell a truth, the nearest of its level.
    """
    batch, count, _ = boxes.shape
    if truths.real.shape[1] == 0:
        nothing = boxes.new_zeros(batch, count)
        return Assignment(nothing.bool(), nothing.long(), nothing)
    low, high = truths.boxes[..., :2], truths.boxes[..., 2:]
    at_level = _level_strides(high - low, cells)[..., None] == cells.strides  # [B, T, N]
    offsets = (cells.centres - ((low + high) / 2)[:, :, None]).abs()  # [B, T, N, 2]
    limit = torch.minimum(cells.strides[:, None] * _RADIUS, ((high - low) / 2)[:, :, None])
    serves = (offsets < limit).all(-1) & at_level
    distances = offsets.square().sum(-1).masked_fill(~at_level, torch.inf)
    nearest = torch.zeros_like(serves).scatter_(2, distances.argmin(-1, keepdim=True), True)
    several = serves.any(-1, keepdim=True) & (not nearest_only)
    serves = torch.where(several, serves, nearest) & truths.real[..., None]
    areas = (high - low).prod(-1)[..., None].expand_as(distances).masked_fill(~serves, torch.inf)
    truth = areas.argmin(1)  # [B, N]
    positive = serves.any(1)
    wanted = truths.boxes.gather(1, truth[..., None].expand(-1, -1, 4))
    return Assignment(positive, truth, iou(boxes, wanted) * positive)


def _level_strides(sizes: Tensor, cells: Cells) -> Tensor:
    """The stride [B, T] of the level that answers for boxes of these sizes [B, T, 2]."""
    strides: Tensor = torch.unique(cells.strides)  # ascending
    reached = sizes.amax(-1, keepdim=True) / 2 <= strides * _REACH  # [B, T, L]
    reached[..., -1] = True  # the deepest takes what is larger
    return strides[reached.int().argmax(-1)]
