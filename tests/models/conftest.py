"""Detectors small enough to build in a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from yolokit.config import ModelConfig
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector

MakeDetector = Callable[..., Detector]


@pytest.fixture
def make_detector() -> MakeDetector:
    """Builds a detector with random, seeded weights: ``make("resnet18", grid_size=3, …)``."""

    def make(
        backbone: str = "squeezenet1_1",
        *,
        num_classes: int = 3,
        image_hw: tuple[int, int] = (64, 96),
        seed: int = 0,
        **model: Any,
    ) -> Detector:
        torch.manual_seed(seed)
        part = {"name": backbone, "weights": "none", **model.pop("backbone_options", {})}
        tree = {"grid_size": 3, "head_channels": 16, "backbone": part, **model}
        config = ModelConfig.model_validate(tree)
        return build_detector(config, num_classes=num_classes, image_hw=image_hw)

    return make
