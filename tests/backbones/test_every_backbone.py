"""Every backbone the README names: declared levels, one training step, one detection."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from yolokit.config import ModelConfig
from yolokit.inference.postprocess import select_detections
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.ops.letterbox import fit_letterbox
from yolokit.sections import BackboneConfig

pytestmark = pytest.mark.slow

IMAGE_HW = (96, 120)  # no multiple of 32, nor square
HEAD = {"type": "yolov1", "grid_size": 3, "channels": 16}

# Channels by stride, from each architecture's paper or torchvision's source. alexnet's stride 4
# is its first layer; resnets' stride 2 the stem; squeezenet ends at stride 16.
LEVELS = {
    "alexnet": {4: 64, 8: 192, 16: 256, 32: 256},
    "vgg16": {2: 128, 4: 256, 8: 512, 16: 512, 32: 512},
    "vgg16_bn": {2: 128, 4: 256, 8: 512, 16: 512, 32: 512},
    "googlenet": {2: 64, 4: 192, 8: 480, 16: 832, 32: 1024},
    "inception_v3": {2: 64, 4: 192, 8: 288, 16: 768, 32: 2048},
    "resnet18": {2: 64, 4: 64, 8: 128, 16: 256, 32: 512},
    "resnet50": {2: 64, 4: 256, 8: 512, 16: 1024, 32: 2048},
    "resnet152": {2: 64, 4: 256, 8: 512, 16: 1024, 32: 2048},
    "mobilenet_v2": {2: 16, 4: 24, 8: 32, 16: 96, 32: 1280},
    "mobilenet_v3_large": {2: 16, 4: 24, 8: 40, 16: 112, 32: 960},
    "squeezenet1_1": {2: 64, 4: 128, 8: 256, 16: 512},
    "efficientnet_b0": {2: 16, 4: 24, 8: 40, 16: 112, 32: 1280},
    "convnext_tiny": {4: 96, 8: 192, 16: 384, 32: 768},
    "regnet": {2: 32, 4: 48, 8: 104, 16: 208, 32: 440},
}


@pytest.fixture(scope="module", params=LEVELS)
def named(request: pytest.FixtureRequest) -> Iterator[tuple[str, Detector]]:
    torch.manual_seed(0)
    backbone = BackboneConfig(name=request.param, weights="none")
    config = ModelConfig.model_validate({"head": HEAD, "backbone": backbone})
    yield request.param, build_detector(config, num_classes=2, image_hw=IMAGE_HW)


def test_levels_have_the_declared_size(named: tuple[str, Detector]) -> None:
    name, detector = named
    backbone = detector.backbone.eval()
    assert {level.stride: level.channels for level in backbone.levels} == LEVELS[name]
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, *IMAGE_HW))
    for feature_map, level in zip(maps, backbone.levels, strict=True):
        cells = [math.ceil(side / level.stride) for side in IMAGE_HW]
        assert list(feature_map.shape) == [1, level.channels, *cells]


def test_stages_hold_every_parameter_once(named: tuple[str, Detector]) -> None:
    backbone = named[1].backbone
    staged = [id(p) for stage in backbone.stages for m in stage for p in m.parameters()]
    assert sorted(staged) == sorted(id(p) for p in backbone.parameters())
    assert all(stage for stage in backbone.stages)


def test_one_training_step_and_one_detection(named: tuple[str, Detector]) -> None:
    detector = named[1].train()
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # one batch is then all its statistics, and evaluation sane
    before = {name: p.detach().clone() for name, p in detector.named_parameters()}
    torch.manual_seed(1)
    images = torch.randint(0, 256, (2, 3, *IMAGE_HW), dtype=torch.uint8)
    (output,) = detector(images)
    assert output.classes.shape == (2, 3, 3, 2)
    assert output.box_codes.shape == (2, 3, 3, 2, 4)
    assert output.confidences is not None and output.confidences.shape == (2, 3, 3, 2)
    loss = (output.classes - 1).square().sum() + (output.confidences - 1).square().sum()
    loss = loss + output.box_codes.square().sum()
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
    loss.backward()
    optimizer.step()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    changed = {id(p) for n, p in detector.named_parameters() if not torch.equal(p, before[n])}
    for blocks in detector.backbone.stages:
        assert changed & {id(p) for block in blocks for p in block.parameters()}
    assert changed & {id(p) for p in detector.get_submodule("head").parameters()}

    detector.eval().zero_grad()
    letterbox = fit_letterbox((61, 47), IMAGE_HW)
    with torch.inference_mode():
        decoded = detector.decode(detector(images[:1]))
    assert decoded.boxes.shape == (1, 18, 4) and decoded.scores.shape == (1, 18, 2)
    (found,) = select_detections(
        decoded.numpy(), [letterbox], score_threshold=-1, iou_threshold=1, max_detections=36
    )
    assert 1 <= len(found) <= 36
    assert np.isfinite(found.boxes).all()
    assert (found.boxes >= 0).all() and (found.boxes <= [47, 61, 47, 61]).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
