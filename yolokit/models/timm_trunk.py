"""timm models as trunks (``timm:NAME``); needs the extra ``yolokit[timm]``."""

from __future__ import annotations

from yolokit.errors import ConfigError
from yolokit.models.classifier_trunk import Trunk

PREFIX = "timm:"


def build(
    name: str, *, weights: str, image_hw: tuple[int, int]
) -> tuple[Trunk, tuple[float, ...], tuple[float, ...]]:
    """The trunk of timm's model, with the mean and std its weights expect."""
    raise ConfigError("not yet")
