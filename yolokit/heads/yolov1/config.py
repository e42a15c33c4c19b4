"""The settings of the ``yolov1`` head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from yolokit.heads.family import HeadConfig
from yolokit.sections import Section, Weight


class YoloV1LossConfig(Section):
    """Weights of the loss terms, named as the terms are (section 2.2 of the paper)."""

    box: Weight = 5.0
    object: Weight = 1.0
    no_object: Weight = 0.5
    classes: Weight = 1.0


class YoloV1Config(HeadConfig):
    """One grid of S × S cells with one object each."""

    type: Literal["yolov1"] = "yolov1"
    grid_size: int = Field(default=7, ge=1, le=64)
    boxes_per_cell: int = Field(default=2, ge=1, le=16)
    variant: Literal["conv", "fc"] = "conv"
    channels: int = Field(default=512, ge=8, le=2**14)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    loss: YoloV1LossConfig = YoloV1LossConfig()


CONFIG = YoloV1Config
