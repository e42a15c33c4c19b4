"""From a configuration to a criterion. A new loss is one builder here."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from yolokit.config import LossConfig
from yolokit.heads.yolo.loss import YoloLoss
from yolokit.heads.yolov1.loss import YoloV1Loss


def _yolov1(config: LossConfig) -> nn.Module:
    return YoloV1Loss(
        coord=config.coord, noobj=config.noobj, obj=config.obj, classes=config.classes
    )


def _yolo(config: LossConfig) -> nn.Module:
    return YoloLoss(
        box=config.box,
        classes=config.score,
        dfl=config.dfl,
        candidates=config.candidates,
        alpha=config.alpha,
        beta=config.beta,
        assigner=config.assigner,
        iou_aware=config.iou_aware,
    )


LOSSES: dict[str, Callable[[LossConfig], nn.Module]] = {
    "yolov1": _yolov1,
    "yolo": _yolo,
}  # by head


def build_criterion(head: str, config: LossConfig) -> nn.Module:
    """The criterion that goes with a head: ``(outputs, truths) -> {name: term}``."""
    return LOSSES[head](config)
