"""From a configuration to a detector. A new head is one builder here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from yolokit.backbones.backbone import build_backbone, freeze_stages
from yolokit.config import ModelConfig
from yolokit.errors import ConfigError
from yolokit.heads.layers import use_grouped_convolutions
from yolokit.heads.yolo.head import YoloHead
from yolokit.heads.yolo.neck import PanNeck
from yolokit.heads.yolov1.head import YoloV1Head
from yolokit.models.detector import Detector, Head
from yolokit.types import LevelSpec

HeadBuilder = Callable[
    [ModelConfig, Sequence[LevelSpec], int, tuple[int, int]], tuple[nn.Module, Head]
]


def _yolov1(
    config: ModelConfig, levels: Sequence[LevelSpec], num_classes: int, image_hw: tuple[int, int]
) -> tuple[nn.Module, Head]:
    head = YoloV1Head(
        levels,
        num_classes=num_classes,
        grid_size=config.grid_size,
        boxes_per_cell=config.boxes_per_cell,
        channels=config.head_channels,
        image_hw=image_hw,
        fully_connected=config.head_variant == "fc",
        dropout=config.head_dropout,
    )
    return nn.Identity(), head


def _yolo(
    config: ModelConfig, levels: Sequence[LevelSpec], num_classes: int, image_hw: tuple[int, int]
) -> tuple[nn.Module, Head]:
    try:
        neck = PanNeck(
            levels, strides=config.strides, width=config.width, separable=config.separable
        )
    except ValueError as error:
        raise ConfigError(f"model.strides: {error}") from error
    head = YoloHead(
        neck.levels,
        num_classes=num_classes,
        bins=config.bins,
        depth=config.tower_depth,
        separable=config.separable,
        image_hw=image_hw,
        one_to_one=config.one_to_one,
    )
    return neck, head


HEADS: dict[str, HeadBuilder] = {
    "yolov1": _yolov1,
    "yolo": _yolo,
}  # each gives a neck and a head


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
    neck, head = HEADS[config.head](config, backbone.levels, num_classes, image_hw)
    detector = Detector(backbone=backbone, neck=neck, head=head)
    use_grouped_convolutions(detector)
    return detector.to(memory_format=torch.channels_last)
