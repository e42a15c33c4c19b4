"""A model file that predicts at once, and predicts nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from yolokit.config import ModelConfig
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.model_file import save_model
from yolokit.sections import BackboneConfig


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, ``red`` (category 3) and ``white`` (90); 64 px; untrained."""
    backbone = BackboneConfig(name="squeezenet1_1", weights="none")
    config = ModelConfig.model_validate({"head": {"channels": 8}, "backbone": backbone})
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
