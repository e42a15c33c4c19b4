"""What a graph keeps must follow from the boxes it had."""

from __future__ import annotations

import numpy as np
import pytest

from yolokit.errors import ExportError
from yolokit.export.suppression import require_suppression
from yolokit.models.export_record import NmsRecord
from yolokit.types import DecodedArrays

NMS = NmsRecord(iou_threshold=0.5, score_threshold=0.1, max_detections=3)
# Two on one object (IoU 0.8), one of another class there, one elsewhere, one of too low a score.
BOXES = [[0, 0, 10, 10], [0, 0, 8, 10], [0, 0, 10, 10], [30, 30, 40, 40], [50, 50, 60, 60]]
SCORES = [[0.9, 0], [0.8, 0], [0, 0.7], [0.6, 0], [0.05, 0]]


def _decoded(rows: list[int]) -> DecodedArrays:
    return DecodedArrays(np.float32(BOXES)[None, rows], np.float32(SCORES)[None, rows])


def _require(rows: list[int], nms: NmsRecord = NMS) -> None:
    require_suppression(_decoded([0, 1, 2, 3, 4]), _decoded(rows), (64, 64), nms)


def test_what_is_right_passes() -> None:
    _require([0, 2, 3])


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([0, 3], "drops a box that nothing suppresses"),
        ([0, 1, 2], "keeps two boxes of a class that overlap"),
        ([1, 2, 3], "drops a box that nothing suppresses"),  # the lower of two
        ([], "drops a box that nothing suppresses"),
    ],
)
def test_what_is_wrong_does_not(rows: list[int], what: str) -> None:
    with pytest.raises(ExportError, match=what):
        _require(rows)


def test_a_full_list_may_drop_what_scores_less() -> None:
    _require([0, 2], NMS.model_copy(update={"max_detections": 2}))


def test_a_box_that_there_was_not() -> None:
    invented = DecodedArrays(np.float32([[[1, 20, 9, 30]]]), np.float32([[[0.9, 0]]]))
    with pytest.raises(ExportError, match="keeps a box that there was not"):
        require_suppression(_decoded([0, 1, 2, 3, 4]), invented, (64, 64), NMS)


def test_of_equal_scores_either_may_stay() -> None:
    boxes, scores = np.float32(BOXES[:2])[None], np.float32([[[0.9, 0], [0.9, 0]]])
    for kept in (0, 1):
        one = DecodedArrays(boxes[:, [kept]], scores[:, [kept]])
        require_suppression(DecodedArrays(boxes, scores), one, (64, 64), NMS)


def test_a_threshold_of_one_suppresses_nothing() -> None:
    """Not even a box that is the same and scores less."""
    nms = NMS.model_copy(update={"iou_threshold": 1.0})
    twice = DecodedArrays(np.float32([[BOXES[0]] * 2]), np.float32([[[0.9, 0], [0.8, 0]]]))
    require_suppression(twice, twice, (64, 64), nms)
    once = DecodedArrays(twice.boxes[:, :1], twice.scores[:, :1])
    with pytest.raises(ExportError, match="drops a box"):
        require_suppression(twice, once, (64, 64), nms)


def test_nothing_to_keep() -> None:
    nothing = DecodedArrays(np.zeros((1, 0, 4), np.float32), np.zeros((1, 0, 2), np.float32))
    require_suppression(nothing, nothing, (64, 64), NMS)
