"""Pictures in, raw outputs out: normalisation, modes, configuration errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models import SqueezeNet1_1_Weights
from torchvision.transforms.functional import normalize

from yolokit.config import ModelConfig
from yolokit.models.build import build_detector
from yolokit.sections import BackboneConfig


def test_pictures_are_normalised_as_the_weights_want(make_detector: Any) -> None:
    detector = make_detector().eval()
    seen = []
    detector.backbone.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    detector(images)
    preset = SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()
    expected = normalize(images.float() / 255, preset.mean, preset.std)
    torch.testing.assert_close(seen[0], expected)


def test_bytes_and_floats_agree_and_the_input_is_left_alone(make_detector: Any) -> None:
    detector = make_detector().eval()
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    floats = images.float()
    kept = floats.clone()
    with torch.no_grad():
        assert torch.equal(detector(images)[0].classes, detector(floats)[0].classes)
    assert torch.equal(floats, kept)


def test_forward_returns_the_same_type_in_both_modes(make_detector: Any) -> None:
    detector = make_detector("resnet18")
    images = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    outputs = [detector.train(mode)(images) for mode in (True, False)]
    assert [type(o) for o in outputs] == [list, list]
    assert outputs[0][0].box_codes.shape == outputs[1][0].box_codes.shape


def test_a_batch_equals_its_pictures_alone(make_detector: Any) -> None:
    detector = make_detector("resnet18").eval()
    images = torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        together = detector(images)[0].box_codes
        alone = torch.cat([detector(image[None])[0].box_codes for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_normalisation_is_no_part_of_the_weights(make_detector: Any) -> None:
    assert not {"mean", "std"} & make_detector().state_dict().keys()


def test_the_configured_stages_are_frozen(make_detector: Any) -> None:
    detector = make_detector(backbone_options={"trainable_stages": 1})
    frozen = {n for n, p in detector.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith("backbone.") for name in frozen)
    top = {id(p) for m in detector.backbone.stages[-1] for p in m.parameters()}
    assert all(p.requires_grad for p in detector.backbone.parameters() if id(p) in top)


def test_no_classes_is_refused() -> None:
    config = ModelConfig(backbone=BackboneConfig(name="squeezenet1_1", weights="none"))
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        build_detector(config, num_classes=0, image_hw=(64, 64))
