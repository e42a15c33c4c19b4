"""The multi-scale head: anchor-free, decoupled, one box a cell at several strides.

Shape legend: B images; L levels; S_h × S_w cells of a level; C classes; R bins a side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from yolokit.heads.layers import conv_block, separable_block
from yolokit.heads.yolo.codec import decode_yolo, detecting
from yolokit.types import DecodedBoxes, GridOutput, LevelSpec

_SIDES = 4  # left, top, right, bottom
_OBJECTS = 5.0  # expected in a picture: the prior of the class scores (Lin et al. 2017, focal loss)
_FIRST_DISTANCE = 2.0  # strides from centre to side before anything is learnt


class YoloHead(nn.Module):
    """Feature levels to class logits and distributions of box sides.

    Args:
        levels: what the neck hands over, all of one width.
        num_classes: C.
        bins: R, bins of one stride for the distance of a side; boxes reach 2 (R - 1) strides.
        depth: convolutions in a tower.
        separable: depthwise-separable convolutions.
        image_hw: (height, width) in pixels; sets the prior of an object being in a cell.
        one_to_one: add a second branch that learns to predict each object once, from features it
            does not change (Wang et al. 2024, YOLOv10), and detect with that one.
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
        one_to_one: bool = False,
    ) -> None:
        super().__init__()
        branches = [
            _Branch(
                levels,
                num_classes=num_classes,
                bins=bins,
                depth=depth,
                separable=separable,
                one_to_one=single,
            )
            for single in ((False, True) if one_to_one else (False,))
        ]
        for branch in branches:
            branch.initialise_last(image_hw)
        self.one_to_many = branches[0]
        self.one_to_one = branches[1] if one_to_one else None
        self.register_load_state_dict_pre_hook(_name_branches)  # type: ignore[no-untyped-call]

    def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]:
        """Raw outputs, one ``GridOutput`` per level; in training of both branches, if there are.

        Args:
            features: one [B, channels, S_h, S_w] per level, shallow to deep.
            image_hw: (height, width) in pixels of the pictures they come from.
        """
        single: list[GridOutput] = []
        if self.one_to_one is not None:
            seen = [x.detach() for x in features] if self.training else features
            single = self.one_to_one(seen)
            if not self.training:
                return single
        return [*self.one_to_many(features), *single]

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes:
        """All boxes in input pixels with their class scores; of the one-to-one branch, if any."""
        return decode_yolo(list(detecting(outputs).values()))

    def class_rows(self) -> dict[str, int]:
        """How many rows each class has at the start of a parameter, by the parameter's name."""
        towers = [
            f"{path}.{len(module) - 1}"
            for path, module in self.named_modules()
            if isinstance(module, nn.Sequential) and "class_towers" in path.split(".")[-2:-1]
        ]
        return {f"{tower}.{kind}": 1 for tower in towers for kind in ("weight", "bias")}


def _name_branches(_head: nn.Module, state: dict[str, Any], prefix: str, *_rest: object) -> None:
    """Weights that were saved when the branches had other names, in place."""
    for old, new in (("many", "one_to_many"), ("once", "one_to_one")):
        start = f"{prefix}{old}."
        for name in [name for name in state if name.startswith(start)]:
            state[f"{prefix}{new}.{name.removeprefix(start)}"] = state.pop(name)


class _Branch(nn.Module):
    """Two towers, one for classes and one for boxes, each with weights of its own at each level."""

    def __init__(
        self,
        levels: Sequence[LevelSpec],
        *,
        num_classes: int,
        bins: int,
        depth: int,
        separable: bool,
        one_to_one: bool,
    ) -> None:
        super().__init__()
        self.strides = [level.stride for level in levels]
        self.num_classes, self.bins = num_classes, bins
        self.one_to_one = one_to_one
        self.class_towers = nn.ModuleList()
        self.box_towers = nn.ModuleList()
        for level in levels:
            self.class_towers.append(_tower(level.channels, num_classes, depth, separable))
            self.box_towers.append(_tower(level.channels, _SIDES * bins, depth, separable))

    def forward(self, features: list[Tensor]) -> list[GridOutput]:
        parts = zip(features, self.class_towers, self.box_towers, self.strides, strict=True)
        return [
            GridOutput(
                classes=class_tower(x).permute(0, 2, 3, 1),  # [B, S_h, S_w, C]
                confidences=None,
                box_codes=box_tower(x).permute(0, 2, 3, 1)[:, :, :, None],  # [B, S_h, S_w, 1, 4R]
                stride_hw=(float(stride), float(stride)),
                one_to_one=self.one_to_one,
            )
            for x, class_tower, box_tower, stride in parts
        ]

    @torch.no_grad()
    def initialise_last(self, image_hw: tuple[int, int]) -> None:
        """Start from the class prior, and from boxes of a few strides."""
        if next(self.parameters()).is_meta:  # sizes without values
            return
        bins = torch.arange(self.bins, dtype=torch.float32)
        first_distribution = -(bins - _FIRST_DISTANCE).abs()
        for stride, class_tower, box_tower in zip(
            self.strides, self.class_towers, self.box_towers, strict=True
        ):
            cells = math.prod(math.ceil(side / stride) for side in image_hw)
            prior = min(0.5, _OBJECTS / self.num_classes / cells)
            for tower, bias in (
                (class_tower, torch.full((self.num_classes,), math.log(prior / (1 - prior)))),
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
