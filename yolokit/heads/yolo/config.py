"""The settings of the ``yolo`` head."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from yolokit.heads.family import HeadConfig
from yolokit.sections import Section, Weight

_Stride: TypeAlias = Annotated[int, Field(ge=1, le=1024)]  # px


class YoloLossConfig(Section):
    """Weights of the loss terms, named as the terms are, and how cells are assigned."""

    box: Weight = 7.5
    classes: Weight = 0.5
    dfl: Weight = 1.5
    candidates: int = Field(default=10, ge=1, le=1000)
    alpha: float = Field(default=0.5, ge=0, le=100)
    beta: float = Field(default=6.0, ge=0, le=100)
    assigner: Literal["task_aligned", "centre"] = "task_aligned"
    iou_aware: bool = True


class YoloConfig(HeadConfig):
    """Several grids over a light neck, anchor-free."""

    type: Literal["yolo"] = "yolo"
    strides: tuple[_Stride, ...] = Field(default=(8, 16, 32), min_length=1, max_length=8)
    width: int = Field(default=96, ge=8, le=4096)
    tower_depth: int = Field(default=2, ge=0, le=8)
    separable: bool = False
    bins: int = Field(default=16, ge=2, le=64)
    one_to_one: bool = False
    loss: YoloLossConfig = YoloLossConfig()


CONFIG = YoloConfig
