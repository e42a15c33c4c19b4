"""The multi-scale head: anchor-free, decoupled, one box a cell at several strides.

Shape legend: B images; L levels; S_h × S_w cells of a level; C classes; R bins a side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from yolokit.models.layers import conv_block, separable_block
from yolokit.ops.yolo_codec import decode_yolo
from yolokit.types import DecodedBoxes, GridOutput, LevelSpec

_SIDES = 4  # left, top, right, bottom
_OBJECTS = 5.0  # expected in a picture: the prior of the class scores (Lin et al. 2017, focal loss)
_FIRST_DISTANCE = 2.0  # strides from centre to side before anything is learnt


class YoloHead(nn.Module):
    """Feature levels to class logits and distributions of box sides.

    Two towers, one for classes and one for boxes, each with weights of its own at each level.

    Args:
        levels: what the neck hands over, all of one width.
        num_classes: C.
        bins: R, bins of one stride for the distance of a side; boxes reach 2 (R - 1) strides.
        depth: convolutions in a tower.
        separable: depthwise-separable convolutions.
        image_hw: (height, width) in pixels; sets the prior of an object being in a cell.
    """

    def __init__(
        self,
        levels: Sequence[LevelSpec],
        *,
        num_classes: int,
        bins: int,
        depth: int,
        separable: bool,
        image_hw: tuple[int, int],
    ) -> None:
        super().__init__()
        self.strides = [level.stride for level in levels]
        self.bins = bins
        self.class_towers = nn.ModuleList()
        self.box_towers = nn.ModuleList()
        for level in levels:
            self.class_towers.append(_tower(level.channels, num_classes, depth, separable))
            self.box_towers.append(_tower(level.channels, _SIDES * bins, depth, separable))
        self._initialise_last(num_classes, image_hw)

    def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]:
        """Raw outputs, one ``GridOutput`` per level.

        Args:
            features: one [B, channels, S_h, S_w] per level, shallow to deep.
            image_hw: (height, width) in pixels of the pictures they come from.
        """
        parts = zip(features, self.class_towers, self.box_towers, self.strides, strict=True)
        return [
            GridOutput(
                classes=class_tower(x).permute(0, 2, 3, 1),  # [B, S_h, S_w, C]
                confidences=None,
                box_codes=box_tower(x).permute(0, 2, 3, 1)[:, :, :, None],  # [B, S_h, S_w, 1, 4R]
                stride_hw=(float(stride), float(stride)),
            )
            for x, class_tower, box_tower, stride in parts
        ]

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes:
        """All boxes in input pixels with their class scores."""
        return decode_yolo(outputs)

    @torch.no_grad()
    def _initialise_last(self, num_classes: int, image_hw: tuple[int, int]) -> None:
        """Start from the class prior, and from boxes of a few strides."""
        bins = torch.arange(self.bins, dtype=torch.float32)
        first_distribution = -(bins - _FIRST_DISTANCE).abs()
        for stride, class_tower, box_tower in zip(
            self.strides, self.class_towers, self.box_towers, strict=True
        ):
            cells = math.prod(math.ceil(side / stride) for side in image_hw)
            prior = min(0.5, _OBJECTS / num_classes / cells)
            for tower, bias in (
                (class_tower, torch.full((num_classes,), math.log(prior / (1 - prior)))),
                (box_tower, first_distribution.repeat(_SIDES)),
            ):
                assert isinstance(tower, nn.Sequential)
                last = tower[-1]
                assert isinstance(last, nn.Conv2d) and last.bias is not None
                nn.init.normal_(last.weight, std=0.01)
                last.bias.copy_(bias)


def _tower(width: int, out: int, depth: int, separable: bool) -> nn.Sequential:
    block = separable_block if separable else conv_block
    blocks = [block(width, width, kernel=3) for _ in range(depth)]
    return nn.Sequential(*blocks, nn.Conv2d(width, out, 1))
