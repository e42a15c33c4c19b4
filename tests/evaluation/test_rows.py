"""Detections as COCO rows."""

from __future__ import annotations

import json

import numpy as np

from yolokit.evaluation.rows import to_rows
from yolokit.types import Detections


def test_corners_become_width_and_height_in_the_users_categories() -> None:
    found = Detections(
        boxes=np.array([[10, 20, 13, 25], [0, 0, 1, 1]], np.float32),
        scores=np.array([0.75, 0.5], np.float32),
        labels=np.array([1, 0], np.int64),
    )
    assert to_rows(found, 42, [90, 3]) == [
        {"image_id": 42, "category_id": 3, "bbox": [10, 20, 3, 5], "score": 0.75},
        {"image_id": 42, "category_id": 90, "bbox": [0, 0, 1, 1], "score": 0.5},
    ]


def test_rows_are_plain_numbers_and_the_far_corner_is_kept() -> None:
    corners = np.array([[0.1, 1000.3, 0.7, 4000.9]], np.float32)
    found = Detections(corners, np.ones(1, np.float32), np.zeros(1, np.int64))
    (row,) = json.loads(json.dumps(to_rows(found, 1, [1])))
    x, y, width, height = row["bbox"]
    assert [x + width, y + height] == corners[0, 2:].astype(float).tolist()
    assert corners.dtype == np.float32


def test_nothing_found_and_classes_left_out() -> None:
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert to_rows(empty, 1, [1]) == []
    found = Detections(
        np.array([[0, 0, 1, 1]] * 2, np.float32), np.ones(2, np.float32), np.array([0, 1])
    )
    assert [row["category_id"] for row in to_rows(found, 1, [None, 8])] == [8]
