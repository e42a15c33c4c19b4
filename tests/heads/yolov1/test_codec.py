"""The grid code: who owns a cell, and boxes there and back."""

import pytest
import torch
from torch import Tensor

from yolokit.heads.yolov1.codec import assign_cells, decode_boxes, decode_yolov1
from yolokit.ops.boxes import cxcywh_to_xyxy
from yolokit.types import GridOutput

GRID, STRIDE = (7, 7), (64.0, 64.0)  # the paper's 7 × 7 on 448 px


def random_boxes(count: int, image_hw: tuple[float, float]) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    height, width = image_hw
    corners = torch.rand(count, 2, 2, generator=generator).sort(dim=1).values
    boxes = corners.reshape(count, 4) * torch.tensor([width, height, width, height])
    boxes[:, 2:] += 0.5
    return boxes


def test_code_of_a_box_by_hand() -> None:
    # Centre (160, 96): column 160/64 = 2.5 -> 2, inside at 0.5; row 96/64 = 1.5 -> 1, at 0.5.
    # 112 × 28 px of 448: shares 1/4 and 1/16, roots 1/2 and 1/4.
    box = cxcywh_to_xyxy(torch.tensor([[160.0, 96.0, 112.0, 28.0]]))
    cells = assign_cells(box, GRID, STRIDE)
    assert (cells.rows.tolist(), cells.cols.tolist()) == ([1], [2])
    assert cells.box_codes.tolist() == [[0.5, 0.5, 0.5, 0.25]]


@pytest.mark.parametrize("grid", [(7, 7), (5, 9), (1, 1)])
def test_round_trip_on_oblong_grids(grid: tuple[int, int]) -> None:
    stride = (31.5, 40.0)
    boxes = random_boxes(200, (grid[0] * stride[0], grid[1] * stride[1]))
    cells = assign_cells(boxes, grid, stride)
    decoded = decode_boxes(cells.box_codes, cells.rows, cells.cols, grid, stride)
    torch.testing.assert_close(decoded, boxes[cells.kept], atol=1e-3, rtol=0)


def test_first_truth_in_order_owns_a_cell() -> None:
    boxes = random_boxes(300, (448.0, 448.0))
    cells = assign_cells(boxes, GRID, STRIDE)
    owner: dict[tuple[int, int], int] = {}
    for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        cell = (min(6, int((y1 + y2) / 2 // 64)), min(6, int((x1 + x2) / 2 // 64)))
        owner.setdefault(cell, index)
    assert cells.kept.tolist() == sorted(owner.values())
    places = zip(cells.rows.tolist(), cells.cols.tolist(), strict=True)
    assert [owner[place] for place in places] == cells.kept.tolist()


def test_a_centre_on_the_far_edge_belongs_to_the_last_cell() -> None:
    cells = assign_cells(torch.tensor([[440.0, 440, 456, 456]]), GRID, STRIDE)
    assert (cells.rows.tolist(), cells.cols.tolist()) == ([6], [6])
    assert cells.box_codes[0, :2].tolist() == [1.0, 1.0]


def test_no_truth_owns_no_cell() -> None:
    cells = assign_cells(torch.zeros(0, 4), GRID, STRIDE)
    assert [len(field) for field in cells] == [0, 0, 0, 0]


def test_decoded_grid_has_every_box_in_its_place_with_clamped_scores() -> None:
    codes = torch.zeros(1, 2, 3, 2, 4)
    codes[0, 1, 2, 1] = torch.tensor([0.5, 0.25, -0.5, 0.5])  # a negative root: size 1/4
    classes, confidences = torch.full((1, 2, 3, 2), 0.5), torch.full((1, 2, 3, 2), 0.5)
    classes[0, 1, 2] = torch.tensor([2.0, -1.0])
    confidences[0, 1, 2, 1] = 0.8
    decoded = decode_yolov1(GridOutput(classes, confidences, codes, (10.0, 10.0)))
    assert decoded.boxes.shape == (1, 12, 4)
    # Cell (1, 2), box 1 is row 1·3·2 + 2·2 + 1 = 11. Centre (25, 12.5); 30/4 × 20/4 px.
    assert decoded.boxes[0, 11].tolist() == [21.25, 10.0, 28.75, 15.0]
    assert decoded.scores[0, 11].tolist() == pytest.approx([0.8, 0.0])
    assert decoded.scores[0, 0].tolist() == [0.25, 0.25]


def test_outputs_without_confidences_are_refused() -> None:
    bare = GridOutput(torch.zeros(1, 2, 2, 1), None, torch.zeros(1, 2, 2, 1, 4), (8.0, 8.0))
    with pytest.raises(ValueError, match="confidences"):
        decode_yolov1(bare)
