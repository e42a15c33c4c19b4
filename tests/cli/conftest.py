"""A model file that predicts at once, and predicts nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from yolokit.config import BackboneConfig, ModelConfig
from yolokit.models.build import build_detector
from yolokit.models.model_file import ModelCard, save_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, ``red`` (category 3) and ``white`` (90); 64 px; untrained."""
    config = ModelConfig(
        backbone=BackboneConfig(name="squeezenet1_1", weights="none"), head_channels=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = build_detector(config, num_classes=2, image_hw=(64, 64))
    card = ModelCard(
        model=config,
        class_names=["red", "white"],
        category_ids=[3, 90],
        image_hw=(64, 64),
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, detector, card)
    return path
