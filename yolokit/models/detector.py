"""The detector: backbone, neck and head, from pictures to raw grid outputs.

Shape legend: B images, H × W input pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from yolokit.backbones.backbone import Backbone
from yolokit.heads.family import Head
from yolokit.types import DecodedBoxes, GridOutput

_WHITE = 255.0


class Detector(nn.Module):
    """Pictures to raw grid outputs; the same type whether training or not.

    Args:
        backbone: pictures to feature levels.
        neck: feature levels to feature levels.
        head: feature levels to grid outputs, and those to boxes.
    """

    def __init__(self, *, backbone: Backbone, neck: nn.Module, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self.normalise_by(backbone.mean, backbone.std)

    def normalise_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Subtract ``mean`` and divide by ``std``, per channel of RGB in 0..1, from now on."""
        self.backbone.mean, self.backbone.std = mean, std
        for name, values in (("mean", mean), ("std", std)):
            channels = torch.tensor(values).view(1, 3, 1, 1) * _WHITE
            self.register_buffer(name, channels, persistent=False)

    def forward(self, images: Tensor) -> list[GridOutput]:
        """Raw outputs of a batch.

        Args:
            images: [B, 3, H, W] RGB, uint8 or float in 0..255.

        Returns:
            One ``GridOutput`` per level of the head.
        """
        features = self.backbone(self.normalise(images))
        return self.from_features(features, (images.shape[2], images.shape[3]))

    def from_features(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]:
        """Raw outputs of a batch that the backbone has seen.

        Args:
            features: one [B, channels, h, w] per level of the backbone, shallow to deep.
            image_hw: (height, width) in pixels of the pictures they come from.
        """
        return self.head(self.neck(features), image_hw)

    def normalise(self, images: Tensor) -> Tensor:
        """What the backbone is fed for pictures as ``forward`` takes them, same shape."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return (images.to(mean.dtype) - mean).div_(std)

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes:
        """All boxes of a batch in input pixels with their class scores, before any threshold."""
        return self.head.decode(outputs)
