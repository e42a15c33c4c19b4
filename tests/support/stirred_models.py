"""Untrained detectors of every head whose outputs differ from picture to picture."""

from __future__ import annotations

from typing import Any

import torch

from yolokit.config import ModelConfig
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector

HEADS: dict[str, dict[str, Any]] = {
    "yolo": {"type": "yolo", "width": 8, "tower_depth": 1, "strides": [16, 32]},
    "one_to_one": {
        **{"type": "yolo", "width": 8, "tower_depth": 1, "strides": [16, 32]},
        "one_to_one": True,
    },
    "conv": {"type": "yolov1", "channels": 8, "grid_size": 3},
    "fc": {"type": "yolov1", "channels": 8, "grid_size": 3, "variant": "fc"},
}


def stirred_model(head: str) -> tuple[Detector, ModelCard]:
    """A detector for 64x96 px of three classes, with that head of ``HEADS``, and its card."""
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    config = ModelConfig.model_validate({"head": HEADS[head], "backbone": backbone})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        detector = build_detector(config, num_classes=3, image_hw=(64, 96))
        _stir(detector)
    card = ModelCard(
        model=config,
        class_names=["disc", "square", "triangle"],
        category_ids=[17, 3, 44],
        image_hw=(64, 96),
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    return detector.eval(), card


def _stir(detector: Detector) -> None:
    """Statistics of real values in batch norms, so that small differences of pictures show in
    boxes and scores, and folding has work."""
    norms = [each for each in detector.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    pictures = torch.randint(0, 256, (4, 3, 64, 96), dtype=torch.uint8)
    for norm in norms:
        norm.momentum = 1.0  # those of the next batch alone
    with torch.no_grad():
        detector.train()(pictures)
        for norm in norms:
            norm.momentum = 0.1
        for module in detector.modules():
            if isinstance(module, torch.nn.Sequential) and hasattr(module[-1], "weight"):
                weights = module[-1].weight
                weights.mul_(0.3 / weights.std() / weights[0].numel() ** 0.5)  # began near zero
