"""Receptive fields by arithmetic, against gradients through networks of positive weights."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import MakeDetector
from yolokit.backbones.backbone import build_backbone
from yolokit.explain.layers import layer_table
from yolokit.explain.sight import PIXELS, Axis, Sight, joined, joined_sights, repeated, windowed
from yolokit.models.detector import Detector


def test_windows_by_hand() -> None:
    # two 3x3 convolutions of stride 2, padding 1: cell 0 reads cells -1..1 of the first, which
    # read pixels -3..-1, -1..1, 1..3; cell 1 lies four pixels on
    once = windowed(PIXELS, kernel=3, stride=2, padding=1)
    twice = windowed(once, kernel=3, stride=2, padding=1)
    assert (once.low(0), once.high(0), once.stride, once.size) == (-1, 1, 2, 3)
    assert (twice.low(0), twice.high(0), twice.stride, twice.size) == (-3, 3, 4, 7)
    assert (twice.low(3), twice.high(3)) == (9, 15)
    dilated = windowed(PIXELS, kernel=3, stride=1, padding=2, dilation=2)
    assert (dilated.low(0), dilated.high(0), dilated.size) == (-2, 2, 5)


def test_enlarged_cells_share_their_sources() -> None:
    # coarse cells of 2 pixels, twice each: fine cells 0, 1 read pixels 0..1, cells 2, 3 read 2..3;
    # a 3x3 window over them reads two coarse cells from either parity
    fine = repeated(windowed(PIXELS, kernel=2, stride=2, padding=0), 2)
    assert [(fine.low(cell), fine.high(cell)) for cell in (0, 1, 2, 5)] == [
        *((0, 1), (0, 1), (2, 3), (4, 5))
    ]
    assert fine.stride == 1
    window = windowed(fine, kernel=3, stride=1, padding=1)
    assert [(window.low(cell), window.high(cell)) for cell in (0, 1)] == [(-2, 1), (0, 3)]
    assert window.size == 4


def test_joined_maps_see_what_either_sees() -> None:
    wide = windowed(PIXELS, kernel=5, stride=1, padding=2)
    both = joined([PIXELS, wide])
    assert both is not None and (both.low(0), both.high(0), both.size) == (-2, 2, 5)
    assert joined([PIXELS, Axis((0,), (1,), 2)]) is None  # strides differ
    whole = Sight(None, None, whole=True)
    found = joined_sights([Sight(PIXELS, PIXELS), whole])
    assert found is not None and found.whole and found.rows == PIXELS


def _positive(module: nn.Module) -> nn.Module:
    """Where a gradient vanishes, no path is: weights positive, small, nothing saturated or chosen.

    A maximum passes its gradient to one pixel of its window: a mean of the same window stands for
    it.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                mean = nn.AvgPool2d(
                    child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode
                )
                setattr(parent, name, mean)
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


def _sights(name: str, image_hw: tuple[int, int]) -> list[tuple[Sight, Tensor, Tensor]]:
    """Of each level of a backbone: by arithmetic; the map, and the picture it comes from."""
    from yolokit.explain.walk import walk

    backbone = build_backbone(name, weights="none", image_hw=image_hw)
    _positive(backbone)
    # dim enough that sums along residual connections stay below ReLU6's bend
    picture = torch.full((1, 3, *image_hw), 1e-3, dtype=torch.float64, requires_grad=True)
    maps = backbone.trunk(picture)  # before those that lack a cell or two are resized
    neck: Any = nn.Identity()
    detector = Detector(backbone=copy.deepcopy(backbone).float(), neck=neck, head=_NoHead())
    steps = walk(detector, image_hw)
    found = []
    for level in maps:
        step = next(s for s in reversed(steps) if s.shape == tuple(level.shape))
        assert step.sight is not None
        found.append((step.sight, level, picture))
    return found


class _NoHead(nn.Module):
    def forward(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[Tensor]:
        return features


@pytest.mark.slow  # gradients in 64 bits through whole networks
@pytest.mark.parametrize(
    ("name", "deepest"), [("mobilenet_v2", 491), ("resnet18", 435), ("squeezenet1_1", None)]
)
def test_every_level_sees_what_gradients_say(name: str, deepest: int | None) -> None:
    """The last column is that of Araujo et al. 2019, table 1, where they have the network."""
    levels = _sights(name, (640, 32))
    for sight, feature, picture in levels:
        assert sight.rows is not None and not sight.whole
        for row in (feature.shape[2] // 2, feature.shape[2] // 2 + 1):
            low, high = max(sight.rows.low(row), 0), min(sight.rows.high(row), 639)
            assert _seen_by(feature, picture, row) == (low, high)
        assert sight.rows.stride == Fraction(round(640 / feature.shape[2]))
    last = levels[-1][0].rows
    assert last is not None and deepest in (None, last.size)


def test_a_mean_over_all_cells_sees_the_whole_picture() -> None:
    """From mobilenet_v3's first squeeze-and-excitation on; what lies before does not."""
    for sight, feature, picture in _sights("mobilenet_v3_small", (640, 32)):
        whole = _seen_by(feature, picture, feature.shape[2] // 2) == (0, 639)
        assert sight.whole == whole
    assert sight.whole and sight.rows is not None and sight.rows.stride == 32


@pytest.mark.slow
def test_a_neck_enlarges_and_joins_as_gradients_say(make_detector: MakeDetector) -> None:
    """The cell of the finest level that sees most, from deeper levels through the neck."""
    detector = make_detector(
        "resnet18", head="yolo", width=8, tower_depth=1, strides=(8, 16), image_hw=(768, 32)
    )
    rows = {row.name: row for row in layer_table(detector, (768, 32)).rows}
    _positive(detector)
    picture = torch.full((1, 3, 768, 32), 200.0, dtype=torch.float64, requires_grad=True)
    for level, output in enumerate(detector(picture)):
        feature = output.classes.permute(0, 3, 1, 2)
        middle = feature.shape[2] // 2
        spans = [_seen_by(feature, picture, row) for row in range(middle, middle + 4)]
        widest = max(high - low + 1 for low, high in spans)
        row = rows[f"head.one_to_many.class_towers.{level}"]
        assert row.receptive_field is not None and row.receptive_field[0] == widest < 768
