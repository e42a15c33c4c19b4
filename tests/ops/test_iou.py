"""The IoU family against hand arithmetic, torchvision, and a loop in plain Python."""

import math
from collections.abc import Callable

import pytest
import torch
import torchvision.ops
from torch import Tensor

from yolokit.ops.iou import ciou, diou, giou, iou

FAMILY = (iou, giou, diou, ciou)


def random_boxes(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 60
    size = 1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 40
    return torch.cat((corner, corner + size), -1)


def loop_iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def test_by_hand() -> None:
    # A 2×2 box and the same shifted by (1, 1): 1 px² of 4 + 4 - 1 = 7 shared.
    a, b = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 1, 3, 3])
    assert iou(a, b).item() == pytest.approx(1 / 7)
    # Hull 3×3 = 9, of which 9 - 7 = 2 are empty.
    assert giou(a, b).item() == pytest.approx(1 / 7 - 2 / 9)
    # Centres √2 apart, hull diagonal √18: penalty 2/18.
    assert diou(a, b).item() == pytest.approx(1 / 7 - 2 / 18)
    # Both square: the aspect term is 0.
    assert ciou(a, b).item() == pytest.approx(1 / 7 - 2 / 18)


def test_ciou_aspect_term_by_hand() -> None:
    # 4×2 inside 2×4, same centre: 4 px² of 8 + 8 - 4 = 12.
    a, b = torch.tensor([0.0, 1, 4, 3]), torch.tensor([1.0, 0, 3, 4])
    v = (2 / math.pi * (math.atan(0.5) - math.atan(2.0))) ** 2
    alpha = v / (1 - 1 / 3 + v)
    assert ciou(a, b).item() == pytest.approx(1 / 3 - alpha * v)


def test_iou_is_the_loop() -> None:
    boxes, others = random_boxes(30, 0), random_boxes(20, 1)
    expected = [[loop_iou(a, b) for b in others.tolist()] for a in boxes.tolist()]
    torch.testing.assert_close(iou(boxes[:, None], others), torch.tensor(expected).double())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (giou, torchvision.ops.generalized_box_iou),
        (diou, torchvision.ops.distance_box_iou),
        (ciou, torchvision.ops.complete_box_iou),
    ],
)
def test_variants_are_torchvisions(
    ours: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[Tensor, Tensor], Tensor]
) -> None:
    boxes, others = random_boxes(30, 2), random_boxes(20, 3)
    torch.testing.assert_close(
        ours(boxes[:, None], others), theirs(boxes, others), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("overlap", FAMILY)
def test_identical_boxes_score_one(overlap: Callable[[Tensor, Tensor], Tensor]) -> None:
    boxes = random_boxes(10, 4)
    torch.testing.assert_close(overlap(boxes, boxes), torch.ones(10).double())


@pytest.mark.parametrize("overlap", FAMILY)
def test_boxes_without_area_give_numbers_and_finite_gradients(
    overlap: Callable[[Tensor, Tensor], Tensor],
) -> None:
    point = torch.tensor([[5.0, 5, 5, 5], [0, 0, 0, 4]], requires_grad=True)
    score = overlap(point, torch.tensor([[5.0, 5, 5, 5], [0, 0, 3, 3]]))
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert point.grad is not None
    assert torch.isfinite(point.grad).all()
    assert iou(point, point).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("overlap", FAMILY)
def test_no_boxes_give_no_scores(overlap: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert overlap(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)
    assert overlap(torch.zeros(0, 1, 4), torch.zeros(3, 4)).shape == (0, 3)


@pytest.mark.parametrize("overlap", (giou, diou, ciou))
def test_gradient_pulls_a_distant_box_near(overlap: Callable[[Tensor, Tensor], Tensor]) -> None:
    box = torch.tensor([0.0, 0, 10, 10], requires_grad=True)
    overlap(box, torch.tensor([50.0, 0, 60, 10])).backward()
    assert box.grad is not None
    assert box.grad[0] + box.grad[2] > 0  # moving right raises the score
