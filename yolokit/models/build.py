"""From a configuration to a detector."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from yolokit.backbones.backbone import build_backbone, freeze_stages
from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.heads.family import family_of
from yolokit.heads.layers import use_grouped_convolutions
from yolokit.models.detector import Detector


def build_detector(
    config: ModelConfig,
    *,
    num_classes: int,
    image_hw: tuple[int, int],
    most_numbers: int | None = None,
) -> Detector:
    """Build the detector a configuration describes, its backbone's stages frozen as it says.

    The weights lie in channels-last order, in which convolutions are faster.

    Args:
        config: the ``model`` section.
        num_classes: C, at least 1.
        image_hw: the network input's (height, width) in pixels.
        most_numbers: refuse a neck and head of more parameters before they take memory: for a
            configuration that a stranger wrote.

    Raises:
        WeightsError: more parameters than that.
        ConfigError: unknown backbone, or one that cannot serve at that input size.
        WeightsError: the backbone's weights are absent or do not fit.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    part = config.backbone
    backbone = build_backbone(part.name, weights=part.weights, image_hw=image_hw)
    stages = "all" if part.trainable_stages == "auto" else part.trainable_stages
    freeze_stages(backbone, stages, part.freeze_batch_norm)
    family = family_of(config.head)
    if most_numbers is not None:
        with torch.device("meta"):  # shapes without storage
            parts = family.build(backbone.levels, num_classes=num_classes, image_hw=image_hw)
        count = sum(p.numel() for part in parts for p in cast(nn.Module, part).parameters())
        if count > most_numbers:
            raise WeightsError(f"its head has {count} numbers, of {most_numbers} that are given")
    neck, head = family.build(backbone.levels, num_classes=num_classes, image_hw=image_hw)
    detector = Detector(backbone=backbone, neck=neck, head=head)
    use_grouped_convolutions(detector)
    return detector.to(memory_format=torch.channels_last)
