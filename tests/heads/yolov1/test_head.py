"""Any grid over any levels, the order of the outputs, and the constants training starts from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from yolokit.heads.yolov1.head import YoloV1Head
from yolokit.types import GridOutput, LevelSpec

LEVELS = [LevelSpec(6, 8), LevelSpec(8, 16), LevelSpec(10, 32)]


def _head(
    grid_size: int, image_hw: tuple[int, int], *, fc: bool = False, boxes: int = 2
) -> YoloV1Head:
    torch.manual_seed(0)
    return YoloV1Head(
        LEVELS,
        num_classes=3,
        grid_size=grid_size,
        boxes_per_cell=boxes,
        channels=16,
        image_hw=image_hw,
        fully_connected=fc,
    ).eval()


def _features(image_hw: tuple[int, int], batch: int = 2) -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(batch, level.channels, *(math.ceil(side / level.stride) for side in image_hw))
        for level in LEVELS
    ]


def _run(head: YoloV1Head, image_hw: tuple[int, int]) -> GridOutput:
    with torch.no_grad():
        (output,) = head(_features(image_hw), image_hw)
    return output


@pytest.mark.parametrize("fc", [False, True])
@pytest.mark.parametrize(
    ("grid_size", "image_hw"),
    [
        (7, (448, 448)),
        (14, (448, 448)),
        (1, (64, 64)),
        (5, (100, 260)),
        (13, (64, 96)),
        (40, (64, 64)),
    ],
)
def test_any_grid_for_any_input(fc: bool, grid_size: int, image_hw: tuple[int, int]) -> None:
    head = _head(grid_size, image_hw, fc=fc)
    output = _run(head, image_hw)
    assert output.classes.shape == (2, grid_size, grid_size, 3)
    assert output.confidences is not None
    assert output.confidences.shape == (2, grid_size, grid_size, 2)
    assert output.box_codes.shape == (2, grid_size, grid_size, 2, 4)
    assert output.stride_hw == (image_hw[0] / grid_size, image_hw[1] / grid_size)
    decoded = head.decode([output])
    assert decoded.boxes.shape == (2, grid_size**2 * 2, 4)
    assert decoded.scores.shape == (2, grid_size**2 * 2, 3)


@pytest.mark.parametrize(
    ("grid_size", "side", "first_level", "shrinks"),
    [
        (7, 448, 2, 1),  # stride 32: 14 cells, halved once
        (14, 448, 2, 0),  # stride 32: 14 cells as they are
        (28, 448, 1, 0),  # stride 16 with the deeper level added
        (7, 416, 2, 1),  # 13 cells halve to 7
        (7, 320, 2, 0),  # 10 cells would halve to 5: pooled to 7 instead
        (3, 448, 2, 2),  # 14 -> 7 -> 4, pooled to 3
        (60, 448, 0, 0),  # stride 8: 56 cells, fewer than asked: pooled up
    ],
)
def test_level_and_stages_follow_the_grid(
    grid_size: int, side: int, first_level: int, shrinks: int
) -> None:
    head = _head(grid_size, (side, side))
    assert head.first_level == first_level
    assert len(head.shrink) == shrinks


def test_oblong_inputs_shrink_each_side_by_itself() -> None:
    head = _head(7, (224, 448))  # 7 x 14 cells at stride 32
    features = _features((224, 448))
    with torch.no_grad():
        assert head.shrink(head.reduce[0](features[2])).shape[2:] == (7, 7)


@pytest.mark.parametrize("fc", [False, True])
def test_another_input_size_than_planned_works(fc: bool) -> None:
    output = _run(_head(7, (448, 448), fc=fc), (320, 512))
    assert output.classes.shape == (2, 7, 7, 3)
    assert output.stride_hw == (320 / 7, 512 / 7)


@pytest.mark.parametrize("fc", [False, True])
def test_training_starts_from_plausible_constants(fc: bool) -> None:
    """With the last weights at 0 only the biases speak, cell by cell the same."""
    head = _head(4, (128, 128), fc=fc)
    last = head.predict[-1]
    assert isinstance(last, nn.Conv2d | nn.Linear)
    nn.init.zeros_(last.weight)
    output = _run(head, (128, 128))
    assert output.confidences is not None
    torch.testing.assert_close(output.classes, torch.full((2, 4, 4, 3), 1 / 3))
    torch.testing.assert_close(output.confidences, torch.full((2, 4, 4, 2), 0.05))
    expected = torch.tensor([[0.5, 0.5, 13 / 30, 13 / 30], [0.5, 0.5, 14 / 30, 14 / 30]])
    torch.testing.assert_close(output.box_codes, expected.expand(2, 4, 4, 2, 4))


@pytest.mark.parametrize("fc", [False, True])
def test_first_outputs_stay_near_those_constants(fc: bool) -> None:
    output = _run(_head(7, (448, 448), fc=fc), (448, 448))
    assert output.confidences is not None
    assert (output.confidences - 0.05).abs().max() < 0.3
    assert (output.box_codes[..., :2] - 0.5).abs().max() < 0.3
    assert (output.box_codes[..., 2:] - 0.45).abs().max() < 0.3


def test_a_cell_sees_its_own_part_of_the_picture_first() -> None:
    """Rows stay rows: a change in the top right corner moves that corner's cell the most."""
    head = _head(7, (448, 448))
    features = _features((448, 448), batch=1)
    changed = [f.clone() for f in features]
    changed[2][:, :, 0, -1] += 30
    with torch.no_grad():
        gap = head(changed, (448, 448))[0].classes - head(features, (448, 448))[0].classes
    assert gap.abs().sum(-1)[0].argmax() == 6  # row 0, column 6
    assert gap[0, 6, 0].abs().max() == 0  # bottom left is out of reach of three 3 x 3


def test_more_dropout_only_in_training() -> None:
    torch.manual_seed(0)
    head = YoloV1Head(
        LEVELS,
        num_classes=1,
        grid_size=2,
        boxes_per_cell=1,
        channels=16,
        image_hw=(64, 64),
        dropout=0.5,
    )
    features = _features((64, 64))
    with torch.no_grad():
        first, second = (head.eval()(features, (64, 64))[0].classes for _ in range(2))
        third, fourth = (head.train()(features, (64, 64))[0].classes for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(third, fourth)
