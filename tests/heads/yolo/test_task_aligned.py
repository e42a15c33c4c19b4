"""Task-aligned assignment: by hand, against a slow loop, and at its edges."""

import pytest
import torch
from torch import Tensor

from yolokit.heads.yolo.codec import Cells
from yolokit.heads.yolo.task_aligned import Assignment, assign_task_aligned, pad_truths
from yolokit.ops.iou import iou
from yolokit.types import Truth

K, ALPHA, BETA = 3, 0.5, 2.0


def grid(size: int, stride: float) -> Cells:
    line = (torch.arange(size) + 0.5) * stride
    y, x = torch.meshgrid(line, line, indexing="ij")
    return Cells(torch.stack((x, y), -1).view(-1, 2), torch.full((size * size,), stride))


def two_levels() -> Cells:
    fine, coarse = grid(8, 8.0), grid(4, 16.0)
    return Cells(
        torch.cat((fine.centres, coarse.centres)), torch.cat((fine.strides, coarse.strides))
    )


def truth(boxes: list[list[float]], labels: list[int]) -> Truth:
    return Truth(torch.tensor(boxes).view(-1, 4), torch.tensor(labels, dtype=torch.int64))


def assign(boxes: Tensor, scores: Tensor, cells: Cells, truths: list[Truth]) -> Assignment:
    return assign_task_aligned(
        boxes, scores, cells, pad_truths(truths), candidates=K, alpha=ALPHA, beta=BETA
    )


def random_predictions(cells: Cells, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    reach = (0.2 + torch.rand(batch, len(cells.strides), 4, generator=generator) * 2) * (
        cells.strides[:, None]
    )
    boxes = torch.cat((cells.centres - reach[..., :2], cells.centres + reach[..., 2:]), -1)
    return boxes, torch.rand(batch, len(cells.strides), 3, generator=generator)


def loop(
    boxes: Tensor, scores: Tensor, cells: Cells, truths: Truth
) -> dict[int, tuple[int, float]]:
    """Cell -> (truth, quality) of one image, a number at a time."""
    chosen: dict[int, list[int]] = {}
    fit: dict[tuple[int, int], tuple[float, float]] = {}
    for t, (box, label) in enumerate(zip(truths.boxes, truths.labels, strict=True)):
        x1, y1, x2, y2 = box.tolist()
        inside = [
            n for n, (x, y) in enumerate(cells.centres.tolist()) if x1 < x < x2 and y1 < y < y2
        ]
        if not inside:
            middle = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2])
            gaps = (cells.centres - middle).square().sum(-1)
            for stride in (8.0, 16.0):
                places = (cells.strides == stride).nonzero()[:, 0].tolist()
                inside.append(min(places, key=lambda n: gaps[n].item()))
        for n in inside:
            overlap = iou(boxes[n], box).item()
            fit[t, n] = (scores[n, label].item() ** ALPHA * overlap**BETA, overlap)
        for n in sorted(inside, key=lambda n: (-fit[t, n][0], n))[:K]:
            chosen.setdefault(n, []).append(t)
    owner = {n: max(wanted, key=lambda t: fit[t, n][1]) for n, wanted in chosen.items()}
    result = {}
    for n, t in owner.items():
        own = [m for m, other in owner.items() if other == t]
        best_fit = max(fit[t, m][0] for m in own)
        best_overlap = max(fit[t, m][1] for m in own)
        result[n] = (t, fit[t, n][0] / best_fit * best_overlap if best_fit else 0.0)
    return result


def test_is_the_loop() -> None:
    cells = two_levels()
    boxes, scores = random_predictions(cells, 3)
    truths = [
        truth([[5.0, 5, 40, 30], [20, 10, 60, 60], [1, 1, 3, 3]], [0, 2, 1]),
        truth([], []),
        truth(
            [[30.0, 30, 50, 50], [31, 31, 51, 51], [29, 29, 49, 49], [0, 0, 64, 64]], [1, 1, 0, 2]
        ),
    ]
    assigned = assign(boxes, scores, cells, truths)
    for image, each in enumerate(truths):
        expected = loop(boxes[image], scores[image], cells, each)
        assert assigned.positive[image].nonzero()[:, 0].tolist() == sorted(expected)
        for n, (t, quality) in expected.items():
            assert assigned.truth[image, n] == t
            torch.testing.assert_close(
                assigned.quality[image, n].item(), quality, atol=1e-5, rtol=0
            )
        assert (assigned.quality[image] > 0).sum() <= len(expected)


def test_the_best_cell_is_asked_for_the_iou_it_reaches() -> None:
    cells = grid(4, 8.0)
    boxes = torch.cat((cells.centres - 4, cells.centres + 4), -1)[None]
    # A 10 px box around the centre of cell 5 at (12, 12): 64 px² of 100 px² covered.
    wanted = truth([[7.0, 7, 17, 17]], [0])
    assigned = assign(boxes, torch.full((1, 16, 1), 0.5), cells, [wanted])
    assert assigned.positive[0].nonzero()[:, 0].tolist() == [5]
    torch.testing.assert_close(assigned.quality[0, 5].item(), 0.64)


@pytest.mark.parametrize(("side", "asked"), [(6.0, 36 / 1024), (4.0, 1 / 64), (0.5, 0.25 / 1024)])
def test_the_best_cell_of_a_small_box_is_asked_for_its_iou_too(side: float, asked: float) -> None:
    # Around the centre (12, 12) of cell 5; every box predicted is 32 px square around its cell's
    # centre, as before anything is learnt, and every score 0.01. With the default exponents the
    # alignment is 0.01^0.5 · IoU^6: 1.9e-10, 1.5e-12 and 2.1e-23.
    cells = grid(4, 8.0)
    boxes = torch.cat((cells.centres - 16, cells.centres + 16), -1)[None]
    low, high = 12 - side / 2, 12 + side / 2
    padded = pad_truths([truth([[low, low, high, high]], [0])])
    assigned = assign_task_aligned(boxes, torch.full((1, 16, 1), 0.01), cells, padded)
    assert assigned.positive[0].nonzero()[:, 0].tolist() == [5]
    assert assigned.quality[0, 5].item() == pytest.approx(asked, rel=1e-5)


def test_shares_are_those_of_the_alignment_however_small_it_is() -> None:
    # One box over the centres of cells 5 and 6; both predict boxes around it that are far too
    # large, areas 200 and 400 times its own: IoU 1/200 and 1/400, share (1/2)^6 at equal scores.
    cells = grid(4, 8.0)
    wanted = torch.tensor([10.0, 10, 22, 14])
    boxes = torch.zeros(1, 16, 4)
    for cell, times in ((5, 200), (6, 400)):
        middle, half = torch.tensor([16.0, 12]), (wanted[2:] - wanted[:2]) / 2 * times**0.5
        boxes[0, cell] = torch.cat((middle - half, middle + half))
    padded = pad_truths([truth([wanted.tolist()], [0])])
    assigned = assign_task_aligned(boxes, torch.full((1, 16, 1), 1e-4), cells, padded)
    assert assigned.positive[0].nonzero()[:, 0].tolist() == [5, 6]
    assert assigned.quality[0, 5].item() == pytest.approx(1 / 200, rel=1e-4)
    assert assigned.quality[0, 6].item() == pytest.approx(1 / 200 / 2**6, rel=1e-4)


@pytest.mark.parametrize("better", [5, 6])
def test_the_better_of_two_bad_cells_is_chosen(better: int) -> None:
    # The same box, IoU 1/3000 and 1/1500 (to the sixth power 1e-21 and 9e-20), one candidate.
    cells = grid(4, 8.0)
    wanted = torch.tensor([10.0, 10, 22, 14])
    boxes = torch.zeros(1, 16, 4)
    for cell in (5, 6):
        times = 1500 if cell == better else 3000
        middle, half = torch.tensor([16.0, 12]), (wanted[2:] - wanted[:2]) / 2 * times**0.5
        boxes[0, cell] = torch.cat((middle - half, middle + half))
    padded = pad_truths([truth([wanted.tolist()], [0])])
    scores = torch.full((1, 16, 1), 1e-4)
    assigned = assign_task_aligned(boxes, scores, cells, padded, candidates=1)
    assert assigned.positive[0].nonzero()[:, 0].tolist() == [better]


def test_eligible_cells_go_before_others_even_without_overlap() -> None:
    # Nothing overlaps the box or scores anything; its nine cells are still its own.
    cells = grid(8, 8.0)
    boxes, scores = torch.full((1, 64, 4), 500.0), torch.zeros(1, 64, 1)
    padded = pad_truths([truth([[16.0, 16, 40, 40]], [0])])
    assigned = assign_task_aligned(boxes, scores, cells, padded, candidates=10)
    inside = [8 * row + col for row in (2, 3, 4) for col in (2, 3, 4)]
    assert assigned.positive[0].nonzero()[:, 0].tolist() == inside
    assert assigned.quality.tolist() == torch.zeros(1, 64).tolist()


def test_a_truth_between_all_centres_still_has_cells() -> None:
    cells = two_levels()
    boxes, scores = random_predictions(cells, 1)
    assigned = assign(boxes, scores, cells, [truth([[15.9, 15.9, 16.1, 16.1]], [0])])
    strides = cells.strides[assigned.positive[0]].tolist()
    assert strides == [8.0, 16.0]


def test_without_truths_nothing_is_positive() -> None:
    cells = two_levels()
    boxes, scores = random_predictions(cells, 2)
    assigned = assign(boxes, scores, cells, [truth([], []), truth([], [])])
    assert not assigned.positive.any()
    assert not assigned.quality.any()


def test_padding_is_never_a_truth() -> None:
    cells = two_levels()
    boxes, scores = random_predictions(cells, 2)
    one, three = truth([[5.0, 5, 40, 30]], [0]), truth([[5.0, 5, 40, 30]] * 3, [0, 1, 2])
    together = assign(boxes, scores, cells, [one, three])
    alone = assign(boxes[:1], scores[:1], cells, [one])
    assert torch.equal(together.positive[:1], alone.positive)
    assert torch.equal(together.quality[:1], alone.quality)
    assert together.truth[0].max() == 0
