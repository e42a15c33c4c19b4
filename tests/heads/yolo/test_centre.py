"""Centre assignment: by hand, at the edges, and against a slow loop."""

import torch

from yolokit.heads.yolo.centre import assign_centre
from yolokit.heads.yolo.codec import Cells, cells_at
from yolokit.heads.yolo.task_aligned import Assignment, pad_truths
from yolokit.ops.iou import iou
from yolokit.types import Truth

CELLS = cells_at((64, 64), [8, 16, 32])  # 64 + 16 + 4 cells
AT = {8: 0, 16: 64, 32: 80}  # where a level's cells begin


def assign(boxes: list[list[float]], predicted: torch.Tensor | None = None) -> Assignment:
    truths = [Truth(torch.tensor(boxes).view(-1, 4), torch.zeros(len(boxes), dtype=torch.int64))]
    if predicted is None:
        predicted = torch.zeros(1, len(CELLS.strides), 4)
    return assign_centre(predicted, CELLS, pad_truths(truths))


def positives(assigned: Assignment) -> list[int]:
    return assigned.positive[0].nonzero()[:, 0].tolist()


def test_the_cells_around_the_middle_of_a_box_answer_for_it() -> None:
    # Middle 28, 28: centres at 20, 28 and 36 lie within 12 px, nine cells of stride 8.
    assigned = assign([[8.0, 8.0, 48.0, 48.0]])
    assert positives(assigned) == [8 * row + col for row in (2, 3, 4) for col in (2, 3, 4)]


def test_a_box_too_small_for_any_centre_takes_the_nearest_cell() -> None:
    assert positives(assign([[33.0, 1.0, 35.0, 3.0]])) == [4]
    assert positives(assign([[39.5, 7.5, 40.5, 8.5]])) != []


def test_a_larger_box_goes_to_a_deeper_level() -> None:
    wide = cells_at((320, 320), [8, 16, 32])
    begins = [0, 1600, 2000, 2100]
    for side, level in ((128.0, 0), (129.0, 1), (256.0, 1), (257.0, 2), (320.0, 2)):
        truths = [Truth(torch.tensor([[0.0, 0.0, side, 16.0]]), torch.tensor([0]))]
        found = assign_centre(torch.zeros(1, 2100, 4), wide, pad_truths(truths)).positive[0]
        index = found.nonzero()[:, 0]
        assert len(index) and (index >= begins[level]).all() and (index < begins[level + 1]).all()


def test_a_contested_cell_goes_to_the_smaller_box() -> None:
    assigned = assign([[8.0, 8.0, 48.0, 48.0], [20.0, 20.0, 36.0, 36.0]])
    assert assigned.truth[0, 8 * 3 + 3] == 1
    assert assigned.positive[0, 8 * 2 + 2] and assigned.truth[0, 8 * 2 + 2] == 0


def test_quality_is_the_overlap_reached() -> None:
    torch.manual_seed(0)
    corner = torch.rand(1, len(CELLS.strides), 2) * 30
    predicted = torch.cat((corner, corner + 5 + torch.rand(1, len(CELLS.strides), 2) * 30), -1)
    box = [8.0, 8.0, 48.0, 48.0]
    assigned = assign([box], predicted)
    reached = iou(predicted[0], torch.tensor(box)) * assigned.positive[0]
    assert torch.allclose(assigned.quality[0], reached) and reached.max() > 0.1


def test_pictures_without_boxes_have_no_positives() -> None:
    truths = [
        Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
        Truth(torch.tensor([[8.0, 8.0, 48.0, 48.0]]), torch.tensor([0])),
    ]
    both = assign_centre(torch.zeros(2, 84, 4), CELLS, pad_truths(truths))
    assert both.positive.sum(1).tolist() == [0, 9]
    assert not assign_centre(torch.zeros(1, 84, 4), CELLS, pad_truths(truths[:1])).positive.any()


def test_it_agrees_with_a_slow_loop() -> None:
    torch.manual_seed(1)
    for _ in range(20):
        corner = torch.rand(6, 2) * 50
        boxes = torch.cat((corner, (corner + 1 + torch.rand(6, 2) * 60).clamp(max=64)), 1)
        assigned = assign(boxes.tolist())
        assert positives(assigned) == sorted(slow_positives(boxes, CELLS))


def slow_positives(boxes: torch.Tensor, cells: Cells) -> set[int]:
    found: set[int] = set()
    for x1, y1, x2, y2 in boxes.tolist():
        stride = next((s for s in (8, 16) if max(x2 - x1, y2 - y1) / 2 <= 8 * s), 32)
        mine, nearest = set(), (1e9, -1)
        for index, ((x, y), level) in enumerate(
            zip(cells.centres.tolist(), cells.strides.tolist(), strict=True)
        ):
            if level != stride:
                continue
            dx, dy = abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2)
            nearest = min(nearest, (dx * dx + dy * dy, index))
            inside = x1 < x < x2 and y1 < y < y2
            if inside and dx < 1.5 * stride and dy < 1.5 * stride:
                mine.add(index)
        found |= mine or {nearest[1]}
    return found
