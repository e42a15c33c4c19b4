"""How two networks' boxes are compared, and when the gate closes."""

from __future__ import annotations

import numpy as np
import pytest

from yolokit.errors import ExportError
from yolokit.export.parity import compare, require_parity
from yolokit.inference.backend import Images
from yolokit.models.export_record import ParityRecord
from yolokit.types import DecodedArrays

PICTURES = [np.zeros((8, 8, 3), dtype=np.uint8)] * 2
BOXES = [[[0, 0, 10, 10], [20, 20, 40, 60], [5, 5, 5, 5]]]
SCORES = [[[0.9, 0.1], [0.0, 0.3], [0.2, 0.0]]]


class Known:
    """A backend that knows what it will find."""

    device, description = "cpu", "known"

    def __init__(self, boxes: object, scores: object) -> None:
        self.found = DecodedArrays(np.array(boxes, np.float32), np.array(scores, np.float32))

    def to(self, device: str) -> None:
        """Stay."""

    def __call__(
        self, images: Images, *, score_threshold: float = 0.0, iou_threshold: float | None = None
    ) -> DecodedArrays:
        return self.found


def _compare(boxes: object = BOXES, scores: object = SCORES) -> ParityRecord:
    return compare(Known(BOXES, SCORES), Known(boxes, scores), PICTURES, "val")


def test_the_same_is_the_same() -> None:
    found = _compare()
    expected = ParityRecord(pictures=2, source="val", boxes=6, score_difference=0.0, lowest_iou=1.0)
    assert found == expected
    require_parity(found)


def test_a_box_that_moved() -> None:
    """10x10 moved by 1: 90 of 110 are common."""
    found = _compare([[[1, 0, 11, 10], *BOXES[0][1:]]])
    assert found.lowest_iou == pytest.approx(90 / 110)
    with pytest.raises(ExportError, match=r"lowest IoU of a box with itself is 0\.818"):
        require_parity(found)


def test_a_score_that_differs() -> None:
    found = _compare(scores=[[[0.9, 0.1], [0.0, 0.298], [0.2, 0.0]]])
    assert found.score_difference == pytest.approx(0.002, abs=1e-6)
    with pytest.raises(ExportError, match=r"scores differ by up to 0\.002 \(allowed 0\.001\)"):
        require_parity(found)


def test_a_box_that_is_found_in_the_file_only_is_compared() -> None:
    """200 boxes of no score: 100 of them are compared whatever they score, and one more."""
    boxes = np.tile([10.0, 10, 20, 20], (1, 200, 1))
    scores = np.zeros((1, 200, 1))
    moved, scored = boxes.copy(), scores.copy()
    moved[0, 150], scored[0, 150] = [50, 50, 60, 60], 0.02
    found = compare(Known(boxes, scores), Known(moved, scored), PICTURES, "test")
    assert (found.boxes, found.lowest_iou) == (202, 0.0)


def test_another_number_of_boxes() -> None:
    with pytest.raises(ExportError, match="gives 2 boxes where the model gives 3"):
        _compare([BOXES[0][:2]], [SCORES[0][:2]])


def test_numbers_that_are_none_never_pass() -> None:
    with pytest.raises(ExportError, match="NaN or infinity"):
        _compare(scores=[[[np.nan, 0.1], [0.0, 0.3], [0.2, 0.0]]])
