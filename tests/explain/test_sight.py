"""Receptive fields by arithmetic, against gradients through networks of positive weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tests.conftest import MakeDetector
from yolokit.backbones.backbone import Backbone, build_backbone
from yolokit.backbones.classifier_trunk import Trunk
from yolokit.config_file import load_config
from yolokit.explain.sight import (
    PIXELS,
    Axis,
    Sight,
    joined,
    joined_sights,
    resampled,
    windowed,
)
from yolokit.explain.walk import walk
from yolokit.models.detector import Detector


def test_windows_by_hand() -> None:
    # two 3x3 convolutions of stride 2, padding 1: cell 0 reads cells -1..1 of the first, which
    # read pixels -3..-1, -1..1, 1..3; cell 1 lies four pixels on
    once = windowed(PIXELS, kernel=3, stride=2, padding=1)
    twice = windowed(once, kernel=3, stride=2, padding=1)
    assert (once.low(0), once.high(0), once.size(9)) == (-1, 1, 3) and once.stride == 2
    assert (twice.low(0), twice.high(0), twice.size(9)) == (-3, 3, 7) and twice.stride == 4
    assert (twice.low(3), twice.high(3)) == (9, 15)
    dilated = windowed(PIXELS, kernel=3, stride=1, padding=2, dilation=2)
    assert (dilated.low(0), dilated.high(0), dilated.size(9)) == (-2, 2, 5)


def test_enlarged_cells_share_their_sources() -> None:
    # coarse cells of 2 pixels, twice each: fine cells 0, 1 read pixels 0..1, cells 2, 3 read 2..3;
    # a 3x3 window over them reads two coarse cells from either parity
    coarse = windowed(PIXELS, kernel=2, stride=2, padding=0)
    fine = resampled(coarse, old=1, new=2, read=lambda cell: [cell // 2])
    assert [(fine.low(cell), fine.high(cell)) for cell in (0, 1, 2, 5)] == [
        *((0, 1), (0, 1), (2, 3), (4, 5))
    ]
    assert fine.stride == 1
    window = windowed(fine, kernel=3, stride=1, padding=1)
    assert [(window.low(cell), window.high(cell)) for cell in (0, 1)] == [(-2, 1), (0, 3)]
    assert window.size(9) == 4


def test_joined_maps_see_what_either_sees() -> None:
    wide = windowed(PIXELS, kernel=5, stride=1, padding=2)
    both = joined([PIXELS, wide])
    assert (both.low(0), both.high(0), both.size(9)) == (-2, 2, 5)


def test_maps_that_drift_apart_see_what_either_sees_cell_by_cell() -> None:
    # cells of 2 px and of 3 px: cell i sees 2i..2i+1 and 3i..3i+2, so 2i..3i+2, i + 3 px
    narrow, wide = (windowed(PIXELS, kernel=side, stride=side, padding=0) for side in (2, 3))
    both = joined([narrow, wide])
    assert [(both.low(cell), both.high(cell)) for cell in (0, 4)] == [(0, 2), (8, 14)]
    assert both.size(5) == 7
    assert both.stride == Fraction(5, 2)


def test_a_whole_map_among_others() -> None:
    whole = Sight(None, None, whole=True)
    found = joined_sights([Sight(PIXELS, PIXELS), whole])
    assert found is not None and found.whole and found.rows == PIXELS


class _Means(TorchFunctionMode):
    """A maximum passes its gradient to one pixel of its window: the mean of it stands for it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is not nn.functional.max_pool2d:
            return func(*args, **(kwargs or {}))
        same = {name: kwargs[name] for name in ("stride", "padding", "ceil_mode")}
        return nn.functional.avg_pool2d(*args, **same)


def _positive(module: nn.Module) -> nn.Module:
    """Where a gradient vanishes, no path is: weights positive, small, nothing saturated."""
    with torch.no_grad():
        for child in module.modules():
            if isinstance(child, nn.Conv2d):
                child.weight.fill_(1 / child.weight[0].numel())
                if child.bias is not None:
                    child.bias.zero_()
            elif isinstance(child, nn.BatchNorm2d):
                child.reset_parameters()
    return module.double().eval()


def _seen_by(feature: Tensor, picture: Tensor, row: int) -> tuple[int, int]:
    """The first and last row of the picture on which the middle of a map's row depends."""
    (gradient,) = torch.autograd.grad(
        feature[0, :, row, feature.shape[3] // 2].sum(), picture, retain_graph=True
    )
    rows = torch.nonzero(gradient.abs().sum((0, 1, 3)) > 0).flatten()
    return int(rows[0]), int(rows[-1])


def _sights(backbone: Backbone, picture: Tensor) -> list[tuple[Sight, Tensor]]:
    """Of each level of a backbone: by arithmetic; and the map, before it is resized."""
    with _Means():
        maps = backbone.trunk(picture)
    steps = walk(_headless(copy.deepcopy(backbone).float()), (picture.shape[2], picture.shape[3]))
    found = []
    for level in maps:
        step = next(s for s in reversed(steps) if s.shape == tuple(level.shape))
        assert step.sight is not None
        found.append((step.sight, level))
    return found


def _headless(backbone: Backbone) -> Detector:
    class NoHead(nn.Module):
        def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[Tensor]:
            return features

    head: Any = NoHead()
    neck: Any = nn.Identity()
    return Detector(backbone=backbone, neck=neck, head=head)


def _without_means_over_all(network: nn.Module) -> None:
    """Let no gradient through squeeze-and-excitation, past which a cell sees but its window."""
    for module in network.modules():
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module.register_forward_hook(lambda _module, _given, made: made.detach())


def _shipped() -> set[str]:
    configs = Path(__file__).parents[2].glob("configs/yolo*.yaml")
    return {load_config(path).model.backbone.name for path in configs}


NAMES = sorted({"alexnet", "googlenet", "inception_v3", *_shipped()})
SIZES = {"alexnet": (640, 96), "inception_v3": (651, 96), "vgg16_bn": (320, 32)}
SIZE = 640, 32  # px, height and width: of the others
# Of the input's values: so dim that sums along residual connections stay below ReLU6's bend;
# these two begin with taking a mean away.
BRIGHTNESS = {"googlenet": 1.0, "inception_v3": 1.0}
# Araujo et al. 2019, table 1, where they have the network's last map
PUBLISHED = {"mobilenet_v2": 491, "resnet18": 435}


@pytest.mark.slow  # gradients in 64 bits through whole networks
@pytest.mark.parametrize("name", NAMES)
def test_every_level_sees_what_gradients_say(name: str) -> None:
    size = SIZES.get(name, SIZE)
    backbone = build_backbone(name, weights="none", image_hw=size)
    _positive(backbone)
    _without_means_over_all(backbone)
    levels = _sights(backbone, picture := _picture(name, size))
    for sight, feature in levels:
        assert sight.rows is not None
        for row in (feature.shape[2] // 2, feature.shape[2] // 2 + 1):
            assert _seen_by(feature, picture, row) == _inside(sight.rows, row, size[0])
    last = levels[-1][0].rows
    assert last is not None and last.size(20) == PUBLISHED.get(name, last.size(20))


def _picture(name: str, size_hw: tuple[int, int]) -> Tensor:
    values = torch.full((1, 3, *size_hw), BRIGHTNESS.get(name, 1e-3), dtype=torch.float64)
    return values.requires_grad_()


def test_a_mean_over_all_cells_sees_the_whole_picture() -> None:
    """From mobilenet_v3's first squeeze-and-excitation on; what lies before does not."""
    backbone = build_backbone("mobilenet_v3_small", weights="none", image_hw=(640, 32))
    _positive(backbone)
    picture = torch.full((1, 3, 640, 32), 1e-3, dtype=torch.float64, requires_grad=True)
    for sight, feature in _sights(backbone, picture):
        whole = _seen_by(feature, picture, feature.shape[2] // 2) == (0, 639)
        assert sight.whole == whole
    assert sight.whole and sight.rows is not None and sight.rows.stride == 32


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_neck_enlarges_and_joins_as_gradients_say(name: str, make_detector: MakeDetector) -> None:
    """Through deeper levels too, which come a cell short and are stretched in some networks."""
    height, width = SIZES.get(name, SIZE)
    size = int(1.7 * height), width  # higher than what a cell sees
    settings: Any = {"width": 8, "tower_depth": 1, "strides": (8, 16)}
    detector = make_detector(name, head="yolo", image_hw=size, **settings)
    sights = {step.path: step.sight for step in walk(detector, size)}
    detector.normalise_by((0, 0, 0), (1 / 255, 1 / 255, 1 / 255))
    _positive(detector)
    _without_means_over_all(detector.backbone)
    picture = _picture(name, size)
    with _Means():
        outputs = detector(picture)
    for level, output in enumerate(outputs):
        feature = output.classes.permute(0, 3, 1, 2)
        sight = sights[f"head.one_to_many.class_towers.{level}.1"]
        assert sight is not None and sight.rows is not None
        for row in (feature.shape[2] // 3, feature.shape[2] // 2 + 1):
            assert _seen_by(feature, picture, row) == _inside(sight.rows, row, size[0])


def _inside(axis: Axis, row: int, height: int) -> tuple[int, int]:
    return max(axis.low(row), 0), min(axis.high(row), height - 1)


class _Changing(nn.Module):
    """A backbone of one change, without levels."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> list[Tensor]:
        self.change(x)
        return []


def _after(change: Callable[[Tensor], Tensor]) -> Sight | None:
    """What is known of a picture of 12 x 12 px after a change."""
    trunk = Trunk(_Changing(change), [], [], frozenset(), {})
    backbone = Backbone("changing", trunk, mean=(0.0, 0, 0), std=(1.0, 1, 1))
    return walk(_headless(backbone), (12, 12))[-1].sight


@pytest.mark.parametrize(
    "change",
    [
        partial(nn.functional.interpolate, size=(9, 9), mode="bilinear", align_corners=True),
        partial(nn.functional.interpolate, scale_factor=1.3, mode="nearest"),
        partial(nn.functional.interpolate, size=(9, 9), mode="bicubic"),
        partial(nn.functional.pixel_unshuffle, downscale_factor=2),
        partial(nn.functional.conv_transpose2d, weight=torch.ones(3, 1, 2, 2), stride=2),
        partial(torch.softmax, dim=2),
        partial(torch.flip, dims=(2,)),
        lambda given: given[:, :, 1:],
        lambda given: given[:, :, ::2, ::2],
        lambda given: given.permute(0, 2, 3, 1)[:, ::2],
        lambda given: given[:, :, 0],
        lambda given: given.view(1, 3, 6, 2, 6, 2),
        lambda given: given.view(1, 3, 6, 2, 6, 2).sum((3, 5)).relu(),
    ],
)
def test_what_is_not_understood_is_not_guessed(change: Callable[[Tensor], Tensor]) -> None:
    assert _after(change) is None


@pytest.mark.parametrize(
    "change",
    [
        nn.GroupNorm(1, 3),
        nn.InstanceNorm2d(3),
        lambda given: given * given.mean((2, 3), keepdim=True),
        lambda given: given * given.amax((2, 3), keepdim=True),
    ],
)
def test_what_follows_the_whole_picture_sees_it(change: Callable[[Tensor], Tensor]) -> None:
    sight = _after(change)
    assert sight is not None and sight.whole and sight.rows == PIXELS


@pytest.mark.parametrize(
    "change",
    [
        nn.Hardswish(),
        nn.PReLU(3),
        nn.BatchNorm2d(3).eval(),
        nn.ChannelShuffle(3),
        lambda given: torch.cat((given[:, 1:], given), 1).permute(0, 2, 3, 1) + 1,
        partial(nn.functional.interpolate, scale_factor=1.0, mode="nearest"),
    ],
)
def test_what_works_cell_by_cell_sees_its_cell(change: Callable[[Tensor], Tensor]) -> None:
    assert _after(change) == Sight(PIXELS, PIXELS)
