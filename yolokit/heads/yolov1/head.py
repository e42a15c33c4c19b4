"""YOLOv1's head: every cell of an S × S grid predicts boxes and classes (Redmon et al. 2016).

Shape legend: B images; S × S cells; A boxes per cell; C classes; h × w a level's feature map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.heads.layers import conv_block
from yolokit.heads.yolov1.codec import decode_yolov1
from yolokit.types import DecodedBoxes, GridOutput, LevelSpec

_BOX = 4  # x, y, sqrt w, sqrt h
_FC_CHANNELS = 256  # width of the map that the fc variant flattens
_FIRST_CONFIDENCE = 0.05  # most cells are empty; a score nearer 1 would swamp the first steps
_FIRST_CENTRE = 0.5  # the middle of the cell
_FIRST_SQRT_SIZES = (0.4, 0.5)  # boxes of 16 % to 25 % of the picture's side
_LAST_WEIGHT_STD = 0.01  # small: the biases decide the first outputs


class YoloV1Head(nn.Module):
    """Feature levels to one S × S grid of raw, linear YOLOv1 outputs.

    The deepest level that still has S cells a side is reduced by 1 × 1; deeper ones are added to
    it, enlarged; stride-2 stages bring it down to S. Where S does not divide evenly, adaptive
    pooling closes the gap, so any S goes with any input size.

    Args:
        levels: what the neck hands over, shallow to deep.
        num_classes: C.
        grid_size: S.
        boxes_per_cell: A.
        channels: width of the conv variant, or of the hidden layer of the fc variant.
        image_hw: (height, width) in pixels of the input to plan the stages for; others work too.
        fully_connected: the paper's two dense layers instead of convolutions.
        dropout: probability, before the last layer.
    """

    def __init__(
        self,
        levels: Sequence[LevelSpec],
        *,
        num_classes: int,
        grid_size: int,
        boxes_per_cell: int,
        channels: int,
        image_hw: tuple[int, int],
        fully_connected: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.grid_size = grid_size
        self.boxes_per_cell = boxes_per_cell
        self.first_level = _deepest_covering(levels, grid_size, image_hw)
        width = _FC_CHANNELS if fully_connected else channels
        used = levels[self.first_level :]
        self.reduce = nn.ModuleList(conv_block(level.channels, width, kernel=1) for level in used)
        self.shrink = _shrink(width, used[0].stride, grid_size, image_hw)
        out = num_classes + boxes_per_cell * (1 + _BOX)
        build = _dense_predictor if fully_connected else _conv_predictor
        self.predict = build(width, channels, grid_size=grid_size, out=out, dropout=dropout)
        self._initialise_last()

    def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]:
        """Raw outputs of one grid.

        Args:
            features: one [B, channels, h, w] per level, shallow to deep.
            image_hw: (height, width) in pixels of the pictures they come from.

        Returns:
            A list of one ``GridOutput`` with S × S cells.
        """
        maps = [
            reduce(f) for reduce, f in zip(self.reduce, features[self.first_level :], strict=True)
        ]
        x = maps[0]
        for deeper in maps[1:]:
            x = x + F.interpolate(deeper, size=x.shape[2:], mode="nearest")
        x = self.shrink(x)
        size = self.grid_size
        if tuple(x.shape[2:]) != (size, size):
            x = F.adaptive_avg_pool2d(x, size)
        out = self.predict(x).view(x.shape[0], -1, size, size).permute(0, 2, 3, 1)
        classes, confidences, codes = out.split(  # [B, S, S, C], [B, S, S, A], [B, S, S, 4 A]
            (self.num_classes, self.boxes_per_cell, _BOX * self.boxes_per_cell), dim=-1
        )
        return [
            GridOutput(
                classes=classes,
                confidences=confidences,
                box_codes=codes.unflatten(-1, (self.boxes_per_cell, _BOX)),  # [B, S, S, A, 4]
                stride_hw=(image_hw[0] / size, image_hw[1] / size),
            )
        ]

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes:
        """All boxes in input pixels with their class scores."""
        (output,) = outputs
        return decode_yolov1(output)

    def class_rows(self) -> dict[str, int]:
        """How many rows each class has at the start of a parameter, by the parameter's name."""
        last, name = self.predict[-1], f"predict.{len(self.predict) - 1}"
        assert isinstance(last.bias, Tensor)
        rows = len(last.bias) // (self.num_classes + self.boxes_per_cell * (1 + _BOX))
        return {f"{name}.weight": rows, f"{name}.bias": rows}

    @torch.no_grad()
    def _initialise_last(self) -> None:
        """Start from plausible constants: nothing squashes these outputs, so nothing mends them."""
        last = self.predict[-1]
        assert isinstance(last, nn.Conv2d | nn.Linear) and last.bias is not None
        if last.bias.is_meta:  # sizes without values
            return
        nn.init.normal_(last.weight, std=_LAST_WEIGHT_STD)
        low, high = _FIRST_SQRT_SIZES
        sizes = torch.linspace(low, high, self.boxes_per_cell + 2)[1:-1]  # apart: ties never split
        codes = torch.full((self.boxes_per_cell, _BOX), _FIRST_CENTRE)
        codes[:, 2:] = sizes[:, None]
        values = [
            torch.full((self.num_classes,), 1 / self.num_classes),
            torch.full((self.boxes_per_cell,), _FIRST_CONFIDENCE),
            codes.flatten(),
        ]
        cells = last.bias.numel() // sum(len(v) for v in values)  # 1, or S² in the fc variant
        last.bias.copy_(torch.cat(values).repeat_interleave(cells))


def _deepest_covering(
    levels: Sequence[LevelSpec], grid_size: int, image_hw: tuple[int, int]
) -> int:
    side = min(image_hw)
    covering = [i for i, lv in enumerate(levels) if math.ceil(side / lv.stride) >= grid_size]
    return covering[-1] if covering else 0


def _shrink(width: int, stride: int, grid_size: int, image_hw: tuple[int, int]) -> nn.Sequential:
    sides = [math.ceil(side / stride) for side in image_hw]
    stages = []
    while any(halve := [side > grid_size <= math.ceil(side / 2) for side in sides]):
        step = (1 + halve[0], 1 + halve[1])
        stages.append(conv_block(width, width, kernel=3, stride=step))
        sides = [math.ceil(side / s) for side, s in zip(sides, step, strict=True)]
    return nn.Sequential(*stages)


def _conv_predictor(
    width: int, channels: int, *, grid_size: int, out: int, dropout: float
) -> nn.Sequential:
    return nn.Sequential(
        conv_block(width, channels, kernel=3),
        conv_block(channels, channels, kernel=3),
        nn.Dropout(dropout),
        nn.Conv2d(channels, out, kernel_size=1),
    )


def _dense_predictor(
    width: int, channels: int, *, grid_size: int, out: int, dropout: float
) -> nn.Sequential:
    cells = grid_size**2
    return nn.Sequential(
        conv_block(width, width, kernel=3),
        nn.Flatten(),
        nn.Linear(width * cells, channels),
        nn.LeakyReLU(0.1),  # the paper's slope
        nn.Dropout(dropout),
        nn.Linear(channels, out * cells),
    )
