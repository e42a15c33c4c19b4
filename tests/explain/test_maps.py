"""Kernels and feature maps: what is shown is what the network holds, by the rule that is stated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import MakeDetector
from tests.support.stirred_models import stirred_model
from yolokit.errors import ConfigError
from yolokit.explain.explainer import Explainer
from yolokit.explain.features import level_names, strongest
from yolokit.explain.filters import filters_sheet, find_convolution, kernel_tiles
from yolokit.explain.heat import coloured, laid_over


def test_a_kernel_is_drawn_by_its_own_largest_weight() -> None:
    # one kernel of 2 x 2 over RGB: red 2 at the first pixel, blue -4 at the last, else 0
    weights = np.zeros((1, 3, 2, 2))
    weights[0, 0, 0, 0], weights[0, 2, 1, 1] = 2, -4
    picture = kernel_tiles(weights)[4:-4, 4:-4]
    zoom = picture.shape[0] // 2
    assert picture[0, 0].tolist() == [191, 128, 128]  # 0.5 + 0.5 * 2/4 of 255
    assert picture[zoom, zoom].tolist() == [128, 128, 0]
    assert picture[0, zoom].tolist() == [128, 128, 128]


def test_a_convolution_is_found_by_its_name_or_its_blocks(make_detector: MakeDetector) -> None:
    detector = make_detector("mobilenet_v2", head="yolo")
    assert find_convolution(detector, None)[0] == "features.0.0"
    name, convolution = find_convolution(detector, "features.2")
    assert name == "features.2.conv.0.0" and tuple(convolution.weight.shape) == (96, 16, 1, 1)
    assert find_convolution(detector, "neck.down.0")[0] == "neck.down.0.0"
    with pytest.raises(ConfigError, match=r"no convolution 'feature.2'.*nearest: .*features\.2"):
        find_convolution(detector, "feature.2")
    with pytest.raises(ConfigError, match=r"1x1: there is nothing to see\. Try features\.0\.0"):
        filters_sheet(detector, "features.2")
    grey = filters_sheet(detector, "neck.down.0")
    assert "mean over its 192 input channels" in grey.lead


def test_the_strongest_channels_are_those_that_vary_most() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 6, 7)) * np.array([1, 9, 3, 0, 5])[:, None, None]
    assert strongest(values, 3) == [1, 4, 2]
    assert strongest(values + 100 * np.arange(5)[:, None, None], 3) == [1, 4, 2]


def test_maps_are_those_of_the_backbone_inside_the_picture(make_detector: MakeDetector) -> None:
    detector, card = stirred_model("yolo")
    picture = np.random.default_rng(2).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    sheet = Explainer(detector, card).features(picture)
    levels = sheet.numbers["levels"]
    assert [each["stride"] for each in levels] == [own.stride for own in detector.backbone.levels]
    assert levels[0]["level"] == "features.1" and len(sheet.figures) == len(levels) + 1
    with torch.no_grad():
        from yolokit.data.prepare import prepare_image

        batch = torch.from_numpy(prepare_image(picture, (64, 96))[0]).permute(2, 0, 1)[None]
        maps = detector.backbone(detector.normalise(batch))
    inside = maps[1][0, :, :, 2:22]  # 8 px of padding on either side, cells of 4 px
    deviations = inside.flatten(1).std(1, correction=0)
    best = deviations.argsort(descending=True)[: len(levels[1]["channels"])]
    assert levels[1]["channels"] == best.tolist()
    own = level_names(make_detector("resnet18"))
    assert own[1:] == ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]


def test_colours_rise_in_lightness() -> None:
    """So that a map can be read in grey, and by anybody."""
    colours = coloured(np.linspace(0, 1, 50)).astype(float)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()
    picture = np.full((4, 4, 3), 100, dtype=np.uint8)
    covered = laid_over(picture, np.eye(4))
    assert covered[0, 0].sum() > covered[0, 1].sum()
