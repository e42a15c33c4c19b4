"""From a configuration to a detector."""

from __future__ import annotations

import torch

from yolokit.backbones.backbone import build_backbone, freeze_stages
from yolokit.config import ModelConfig
from yolokit.heads.family import family_of
from yolokit.heads.layers import use_grouped_convolutions
from yolokit.models.detector import Detector


def build_detector(config: ModelConfig, *, num_classes: int, image_hw: tuple[int, int]) -> Detector:
    """Build the detector a configuration describes, its backbone's stages frozen as it says.

    The weights lie in channels-last order, in which convolutions are faster.

    Args:
        config: the ``model`` section.
        num_classes: C, at least 1.
        image_hw: the network input's (height, width) in pixels.

    Raises:
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
    neck, head = family.build(backbone.levels, num_classes=num_classes, image_hw=image_hw)
    detector = Detector(backbone=backbone, neck=neck, head=head)
    use_grouped_convolutions(detector)
    return detector.to(memory_format=torch.channels_last)
