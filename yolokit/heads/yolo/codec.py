"""The anchor-free code of the ``yolo`` head: four distances from a cell's centre to a box's sides.

A distance is a distribution over R bins of one stride each (Li et al. 2020, generalized focal
loss): the code holds R logits a side, the distance is their expectation, in strides. Encode and
decode stand together here; a test proves the round trip.

Shape legend: B images, S_h × S_w cells of a level, N cells of all levels together, R bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from yolokit.types import DecodedBoxes, GridOutput

_EDGE = 0.01  # bins: keeps a target below the last bin, so that it has a right neighbour


class Cells(NamedTuple):
    """The cells of all levels in a row: centres [N, 2] x, y input pixels, strides [N] pixels."""

    centres: Tensor
    strides: Tensor


def cells_of(outputs: Sequence[GridOutput]) -> Cells:
    """Centres and strides of every cell of the levels, in the order of ``flatten_levels``."""
    return _joined(
        [
            _level(output.classes.shape[1:3], output.stride_hw[0], output.classes.device)
            for output in outputs
        ]
    )


def cells_at(image_hw: tuple[int, int], strides: Sequence[int]) -> Cells:
    """The cells of a head with these strides on an input of (height, width) pixels."""
    height, width = image_hw
    return _joined(
        [
            _level((math.ceil(height / each), math.ceil(width / each)), each, torch.device("cpu"))
            for each in strides
        ]
    )


def _level(grid_hw: Sequence[int], stride: float, device: torch.device) -> Cells:
    rows, cols = grid_hw
    y = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(cols, device=device, dtype=torch.float32) + 0.5) * stride
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    strides = torch.full((rows * cols,), float(stride), device=device)
    return Cells(torch.stack((grid_x, grid_y), -1).reshape(-1, 2), strides)


def _joined(levels: Sequence[Cells]) -> Cells:
    return Cells(*(torch.cat(parts) for parts in zip(*levels, strict=True)))


def flatten_levels(outputs: Sequence[GridOutput]) -> tuple[Tensor, Tensor]:
    """Class logits [B, N, C] and side logits [B, N, 4, R] of all levels in a row, in float32."""
    classes = torch.cat([output.classes.flatten(1, 2) for output in outputs], 1).float()
    codes = torch.cat([output.box_codes.flatten(1, 3) for output in outputs], 1).float()
    return classes, codes.reshape(*codes.shape[:2], 4, -1)


def expected_distances(side_logits: Tensor) -> Tensor:
    """Distances [..., 4] in strides from side logits [..., 4, R]: the mean of each distribution."""
    bins = torch.arange(side_logits.shape[-1], device=side_logits.device, dtype=side_logits.dtype)
    return side_logits.softmax(-1) @ bins


def decode_distances(distances: Tensor, cells: Cells) -> Tensor:
    """Boxes [..., N, 4] xyxy input pixels from left, top, right, bottom [..., N, 4] in strides."""
    pixels = distances * cells.strides[:, None]
    return torch.cat((cells.centres - pixels[..., :2], cells.centres + pixels[..., 2:]), -1)


def encode_distances(boxes: Tensor, centres: Tensor, strides: Tensor, bins: int) -> Tensor:
    """Left, top, right, bottom [M, 4] in strides of boxes [M, 4]; inverse of the decoding.

    Args:
        boxes: [M, 4] xyxy input pixels.
        centres: [M, 2] of the cells that answer for them.
        strides: [M] of those cells, pixels.
        bins: R; a side farther than R - 1 strides, or on the wrong side of the centre, is
            clamped to what the code can hold.
    """
    sides = torch.cat((centres - boxes[:, :2], boxes[:, 2:] - centres), -1)
    return (sides / strides[:, None]).clamp(0, bins - 1 - _EDGE)


def detecting(outputs: Sequence[GridOutput]) -> dict[int, GridOutput]:
    """The levels that detection uses, by their index: of the one-to-one branch, if there is one."""
    single = {index: each for index, each in enumerate(outputs) if each.one_to_one}
    return single or dict(enumerate(outputs))


def decode_yolo(outputs: Sequence[GridOutput]) -> DecodedBoxes:
    """All boxes of all levels, and the sigmoid of their class logits.

    Returns:
        boxes [B, N, 4] xyxy input pixels, scores [B, N, C].
    """
    classes, side_logits = flatten_levels(outputs)
    boxes = decode_distances(expected_distances(side_logits), cells_of(outputs))
    return DecodedBoxes(boxes, classes.sigmoid(), one_to_one=outputs[0].one_to_one)
