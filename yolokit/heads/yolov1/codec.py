"""YOLOv1's grid code: which cell owns a box, and how a box is written inside its cell.

Redmon et al. 2016, section 2. A box is coded by x, y of its centre inside the cell (0..1) and by
the square roots of its width and height as shares of the image. Encode and decode stand together
here; a test proves the round trip.

Shape legend: B images, S_h × S_w cells, A boxes per cell, C classes, N boxes, M boxes that own a
cell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from yolokit.heads.cells import first_in_cell
from yolokit.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from yolokit.types import DecodedBoxes, GridOutput


class CellTargets(NamedTuple):
    """The truths of one image that own a cell.

    Args:
        kept: [M] int64 indices of those truths, ascending.
        rows: [M] int64 cell row.
        cols: [M] int64 cell column.
        box_codes: [M, 4] float32 code of each kept truth.
    """

    kept: Tensor
    rows: Tensor
    cols: Tensor
    box_codes: Tensor


def assign_cells(
    boxes: Tensor, grid_hw: tuple[int, int], stride_hw: tuple[float, float]
) -> CellTargets:
    """Give each truth its cell, see ``first_in_cell``, and its code there.

    Args:
        boxes: [N, 4] float32 xyxy input pixels, positive sizes, centres inside the input.
        grid_hw: (S_h, S_w).
        stride_hw: input pixels per cell, (vertical, horizontal).

    Returns:
        The kept truths; all fields empty when N is 0.
    """
    kept, rows, cols = first_in_cell(boxes, grid_hw, stride_hw)
    return CellTargets(kept, rows, cols, encode_boxes(boxes[kept], rows, cols, grid_hw, stride_hw))


def encode_boxes(
    boxes: Tensor,
    rows: Tensor,
    cols: Tensor,
    grid_hw: tuple[int, int],
    stride_hw: tuple[float, float],
) -> Tensor:
    """Code boxes [M, 4] xyxy input pixels relative to their cells; inverse of ``decode_boxes``."""
    cx, cy, w, h = xyxy_to_cxcywh(boxes).unbind(-1)
    image_h, image_w = grid_hw[0] * stride_hw[0], grid_hw[1] * stride_hw[1]
    return torch.stack(
        (
            cx / stride_hw[1] - cols,
            cy / stride_hw[0] - rows,
            (w / image_w).sqrt(),
            (h / image_h).sqrt(),
        ),
        dim=-1,
    )


def decode_boxes(
    box_codes: Tensor,
    rows: Tensor,
    cols: Tensor,
    grid_hw: tuple[int, int],
    stride_hw: tuple[float, float],
) -> Tensor:
    """Boxes [..., 4] xyxy input pixels from codes [..., 4] in cells ``rows``, ``cols`` [...].

    A size is the square of its code, so it is never negative whatever a network predicts.
    """
    x, y, sqrt_w, sqrt_h = box_codes.unbind(-1)
    image_h, image_w = grid_hw[0] * stride_hw[0], grid_hw[1] * stride_hw[1]
    boxes_cxcywh = torch.stack(
        (
            (x + cols) * stride_hw[1],
            (y + rows) * stride_hw[0],
            sqrt_w.square() * image_w,
            sqrt_h.square() * image_h,
        ),
        dim=-1,
    )
    return cxcywh_to_xyxy(boxes_cxcywh)


def raw_scores(output: GridOutput) -> Tensor:
    """Class × confidence [B, S_h, S_w, A, C] as the network has them, of any size and sign."""
    if output.confidences is None:
        raise ValueError("YOLOv1 outputs carry confidences, got None")
    return output.classes.float()[:, :, :, None, :] * output.confidences.float()[..., None]


def decode_yolov1(output: GridOutput) -> DecodedBoxes:
    """All boxes of a grid with their class scores: class × confidence, each clamped to 0..1.

    Args:
        output: raw outputs; ``confidences`` must be there.

    Returns:
        boxes [B, S_h·S_w·A, 4] input pixels, scores [B, S_h·S_w·A, C].
    """
    if output.confidences is None:
        raise ValueError("YOLOv1 outputs carry confidences, got None")
    batch, grid_h, grid_w, per_cell, _ = output.box_codes.shape
    device = output.box_codes.device
    rows = torch.arange(grid_h, device=device).view(1, -1, 1, 1)
    cols = torch.arange(grid_w, device=device).view(1, 1, -1, 1)
    boxes = decode_boxes(
        output.box_codes.float(), rows, cols, (grid_h, grid_w), output.stride_hw
    )  # [B, S_h, S_w, A, 4]
    classes = output.classes.float().clamp(0, 1)[:, :, :, None, :]
    confidences = output.confidences.float().clamp(0, 1)[..., None]
    scores = classes * confidences  # [B, S_h, S_w, A, C]
    count = grid_h * grid_w * per_cell
    return DecodedBoxes(boxes.reshape(batch, count, 4), scores.reshape(batch, count, -1))
