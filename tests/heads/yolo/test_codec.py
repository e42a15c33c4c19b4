"""The anchor-free code: boxes there and back, levels in one order."""

import pytest
import torch

from yolokit.heads.yolo.codec import (
    cells_at,
    cells_of,
    decode_distances,
    decode_yolo,
    encode_distances,
    expected_distances,
    flatten_levels,
)
from yolokit.types import GridOutput

BINS = 16


def level(rows: int, cols: int, stride: float, classes: int = 2, batch: int = 1) -> GridOutput:
    torch.manual_seed(rows)
    return GridOutput(
        torch.randn(batch, rows, cols, classes),
        None,
        torch.randn(batch, rows, cols, 1, 4 * BINS),
        (stride, stride),
    )


def test_cells_stand_in_the_order_of_the_outputs() -> None:
    outputs = [level(2, 3, 8.0), level(1, 2, 16.0)]
    cells = cells_of(outputs)
    # Row by row, x before y: the centre of cell (1, 2) at stride 8 is (20, 12).
    assert cells.centres[5].tolist() == [20.0, 12.0]
    assert cells.centres[6:].tolist() == [[8.0, 8.0], [24.0, 8.0]]
    assert cells.strides.tolist() == [8.0] * 6 + [16.0] * 2
    classes, sides = flatten_levels(outputs)
    assert classes.shape == (1, 8, 2)
    assert torch.equal(classes[0, 5], outputs[0].classes[0, 1, 2])
    assert torch.equal(sides[0, 7].flatten(), outputs[1].box_codes[0, 0, 1, 0])


def test_distance_is_the_mean_of_the_distribution() -> None:
    logits = torch.full((4, BINS), -100.0)
    logits[0, 3] = logits[1, 0] = logits[3, BINS - 1] = 100.0
    logits[2, 4] = logits[2, 5] = 100.0  # half and half
    assert expected_distances(logits).tolist() == pytest.approx([3.0, 0.0, 4.5, 15.0])


def test_boxes_survive_the_round_trip() -> None:
    cells = cells_of([level(10, 10, 8.0), level(5, 5, 16.0)])
    torch.manual_seed(0)
    reach = torch.rand(len(cells.strides), 4) * (BINS - 1.1) * cells.strides[:, None]
    boxes = torch.cat((cells.centres - reach[:, :2], cells.centres + reach[:, 2:]), 1)
    distances = encode_distances(boxes, cells.centres, cells.strides, BINS)
    torch.testing.assert_close(decode_distances(distances, cells), boxes, atol=1e-3, rtol=0)


def test_what_cannot_be_said_is_clamped() -> None:
    centre, stride = torch.tensor([[50.0, 50.0]]), torch.tensor([8.0])
    too_large = encode_distances(torch.tensor([[-500.0, 0, 500, 100]]), centre, stride, BINS)
    assert too_large[0].tolist() == pytest.approx([14.99, 6.25, 14.99, 6.25])
    beside = encode_distances(torch.tensor([[60.0, 40, 70, 60]]), centre, stride, BINS)
    assert beside[0].tolist() == pytest.approx([0.0, 1.25, 2.5, 1.25])


def test_decoded_boxes_are_those_of_a_loop() -> None:
    outputs = [level(2, 2, 8.0, batch=2), level(1, 1, 16.0, batch=2)]
    decoded = decode_yolo(outputs)
    index = 0
    for output in outputs:
        _, rows, cols, _ = output.classes.shape
        for row in range(rows):
            for col in range(cols):
                shares = output.box_codes[1, row, col, 0].view(4, BINS).softmax(-1)
                sides = [sum(i * share[i].item() for i in range(BINS)) for share in shares]
                stride = output.stride_hw[0]
                x, y = (col + 0.5) * stride, (row + 0.5) * stride
                left, top, right, bottom = (side * stride for side in sides)
                expected = [x - left, y - top, x + right, y + bottom]
                assert decoded.boxes[1, index].tolist() == pytest.approx(expected, abs=1e-3)
                expected_scores = output.classes[1, row, col].sigmoid().tolist()
                assert decoded.scores[1, index].tolist() == pytest.approx(expected_scores)
                index += 1
    assert index == decoded.boxes.shape[1]


def test_cells_of_an_input_are_those_of_a_heads_outputs() -> None:
    expected, got = cells_of([level(9, 5, 8.0), level(5, 3, 16.0)]), cells_at((70, 40), (8, 16))
    assert torch.equal(expected.centres, got.centres)
    assert torch.equal(expected.strides, got.strides)
