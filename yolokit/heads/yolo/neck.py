"""A light neck: details meet context on a way down and a way up (FPN, PAN).

Lin et al. 2017 (feature pyramid networks), Liu et al. 2018 (path aggregation).

Shape legend: B images; L levels; h × w a level's feature map; W the neck's width.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.heads.layers import conv_block, separable_block
from yolokit.types import LevelSpec

_KERNEL = 3
_SEPARABLE_KERNEL = 5  # depthwise weights are few: a wider view costs next to nothing


class PanNeck(nn.Module):
    """Levels of a backbone to as many levels of one width, at the strides asked for.

    A stride above the backbone's deepest is made by a stride-2 stage on top of it.

    Args:
        levels: what the backbone hands over, shallow to deep.
        strides: of the levels wanted, ascending, each twice the one before.
        width: W, channels of every level.
        separable: depthwise-separable convolutions.

    Raises:
        ValueError: a stride that the backbone does not have and that is not above its deepest.
    """

    def __init__(
        self,
        levels: Sequence[LevelSpec],
        *,
        strides: Sequence[int],
        width: int,
        separable: bool,
    ) -> None:
        super().__init__()
        self.source = _sources(levels, strides)
        channels = [levels[index].channels for index in self.source]
        self.lateral = nn.ModuleList(conv_block(each, width, kernel=1) for each in channels)
        block, kernel = (separable_block, _SEPARABLE_KERNEL) if separable else (conv_block, _KERNEL)
        extra, steps = len(strides) - len(self.source), len(strides) - 1
        self.extend = nn.ModuleList(
            block(width, width, kernel=kernel, stride=2) for _ in range(extra)
        )
        self.down = nn.ModuleList(block(2 * width, width, kernel=kernel) for _ in range(steps))
        self.shrink = nn.ModuleList(
            block(width, width, kernel=kernel, stride=2) for _ in range(steps)
        )
        self.up = nn.ModuleList(block(2 * width, width, kernel=kernel) for _ in range(steps))
        self.levels = [LevelSpec(width, stride) for stride in strides]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Fused maps [B, W, h, w], one per stride, shallow to deep.

        Args:
            features: one [B, channels, h, w] per level of the backbone.
        """
        maps = [
            lateral(features[index])
            for lateral, index in zip(self.lateral, self.source, strict=True)
        ]
        for extend in self.extend:
            maps.append(extend(maps[-1]))
        for index, block in zip(reversed(range(len(maps) - 1)), self.down, strict=True):
            context = F.interpolate(maps[index + 1], size=maps[index].shape[2:], mode="nearest")
            maps[index] = block(torch.cat((maps[index], context), 1))
        for index, (shrink, block) in enumerate(zip(self.shrink, self.up, strict=True)):
            detail = shrink(maps[index])
            maps[index + 1] = block(torch.cat((maps[index + 1], detail), 1))
        return maps


def _sources(levels: Sequence[LevelSpec], strides: Sequence[int]) -> list[int]:
    """Which of the backbone's levels serve the strides; those above its deepest have none."""
    available = [level.stride for level in levels]
    deepest = available[-1]
    inside = [stride for stride in strides if stride <= deepest]
    missing = [stride for stride in inside if stride not in available]
    doubled = all(low * 2 == high for low, high in itertools.pairwise(strides))
    if missing or not inside or not doubled:
        raise ValueError(
            f"strides {list(strides)} cannot be made from a backbone with {available}: each must "
            "be twice the one before, and the first one of the backbone's"
        )
    return [available.index(stride) for stride in inside]
