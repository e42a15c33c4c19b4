"""Task-aligned assignment: by hand, against a slow loop, and at its edges."""

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
        result[n] = (t, fit[t, n][0] / max(best_fit, 1e-9) * best_overlap)
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
