"""The toy head's network and loss: every cell predicts the same, which one loss term pulls."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.types import DecodedBoxes, GridOutput, Truth


class ToyHead(nn.Module):
    """A 1 × 1 convolution over the deepest level, pooled to its cells."""

    def __init__(self, channels: int, num_classes: int, cells: int) -> None:
        super().__init__()
        self.cells, self.num_classes = cells, num_classes
        self.predict = nn.Conv2d(channels, num_classes + 4, 1)

    def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]:
        out = self.predict(F.adaptive_avg_pool2d(features[-1], self.cells)).permute(0, 2, 3, 1)
        classes, codes = out.split((self.num_classes, 4), dim=-1)
        stride_hw = (image_hw[0] / self.cells, image_hw[1] / self.cells)
        return [GridOutput(classes, None, codes[:, :, :, None], stride_hw)]

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes:
        codes = outputs[0].box_codes.float().flatten(1, 3)  # [B, N, 4]
        low, size = codes[..., :2].abs(), codes[..., 2:].abs() + 1
        scores = outputs[0].classes.float().flatten(1, 2).sigmoid()
        return DecodedBoxes(torch.cat((low, low + size), -1), scores)


class ToyLoss(nn.Module):
    """Every number towards zero."""

    def forward(self, outputs: list[GridOutput], truths: list[Truth]) -> dict[str, Tensor]:
        return {
            "distance": outputs[0].classes.square().mean() + outputs[0].box_codes.square().mean()
        }
