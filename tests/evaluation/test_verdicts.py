"""What is found, missed and a false alarm: hand-made cases, and a slow loop as oracle."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from yolokit.data.coco_file import tree_of
from yolokit.evaluation.verdicts import JudgedPicture, judge


def make_truth(*boxes: tuple[list[float], int, int]) -> dict[str, Any]:
    """Pictures 7 and 3 of 100 x 100, and on 7 these (xywh box, category id, crowd)."""
    size = {"width": 100, "height": 100}
    return {
        "images": [
            {"id": 7, "file_name": "a.png", **size},
            {"id": 3, "file_name": "b.png", **size},
        ],
        "categories": [{"id": 5, "name": "cell"}, {"id": 0, "name": "other"}],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": c, "bbox": b, "area": 1.0, "iscrowd": crowd}
            for n, (b, c, crowd) in enumerate(boxes)
        ],
    }


def row(box: list[float], score: float, category_id: int = 5, image_id: int = 7) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}


def verdicts(picture: JudgedPicture) -> tuple[list[str], list[str]]:
    truths = [box.verdict for box in picture.truths]
    return truths, [box.verdict for box in picture.detections]


def test_found_missed_and_false() -> None:
    truth = make_truth(([0, 0, 10, 10], 5, 0), ([50, 50, 10, 10], 5, 0), ([0, 0, 10, 10], 0, 0))
    rows = [
        row([0, 0, 10, 5], 0.5),  # IoU 0.5 with the first object, but a better one took it
        row([0, 0, 10, 10], 0.9),
        row([50, 50, 10, 4], 0.8),  # IoU 0.4: too little
        row([70, 70, 9, 9], 0.25),  # not above the threshold
        row([20, 20, 9, 9], 0.3, image_id=3),
    ]
    before = copy.deepcopy((truth, rows))
    first, second = judge(tree_of(truth), rows, score_threshold=0.25)
    assert (truth, rows) == before
    assert verdicts(first) == (["found", "missed", "missed"], ["found", "false", "false"])
    assert [box.score for box in first.detections] == [0.9, 0.8, 0.5]
    assert first.detections[1].box == (50, 50, 60, 54)
    assert [box.category_id for box in first.truths] == [5, 5, 0]
    assert (first.image_id, first.found, first.missed, first.false_alarms) == (7, 1, 2, 2)
    assert (second.image_id, second.found, second.missed, second.false_alarms) == (3, 0, 0, 1)


def test_half_overlap_is_enough_for_the_better_detection() -> None:
    truth = make_truth(([0, 0, 10, 10], 5, 0))
    (picture, _) = judge(tree_of(truth), [row([0, 0, 10, 5], 0.5)], score_threshold=0.0)
    assert verdicts(picture) == (["found"], ["found"])
    (picture, _) = judge(
        tree_of(truth), [row([0, 0, 10, 5], 0.5)], score_threshold=0.0, iou_threshold=0.75
    )
    assert verdicts(picture) == (["missed"], ["false"])


def test_crowds_are_neither_missed_nor_false() -> None:
    truth = make_truth(([0, 0, 40, 40], 5, 1), ([50, 50, 10, 10], 5, 0))
    inside = [row([0, 0, 8, 8], 0.9), row([20, 20, 8, 8], 0.8)]
    picture, _ = judge(tree_of(truth), inside, score_threshold=0.25)
    assert verdicts(picture) == (["ignored", "missed"], ["ignored", "ignored"])
    assert (picture.found, picture.missed, picture.false_alarms) == (0, 1, 0)


@pytest.mark.parametrize("rows", [[], [row([0, 0, 10, 10], 0.1)]])
def test_nothing_detected_and_nothing_to_detect(rows: list[dict[str, Any]]) -> None:
    first, second = judge(tree_of(make_truth(([0, 0, 10, 10], 5, 0))), rows, score_threshold=0.25)
    assert verdicts(first) == (["missed"], [])
    assert verdicts(second) == ([], [])
    assert [
        verdicts(each) for each in judge(tree_of(make_truth()), rows, score_threshold=0.25)
    ] == [
        ([], []),
        ([], []),
    ]


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [[*rng.uniform(0, 60, 2).tolist(), *rng.uniform(10, 40, 2).tolist()] for _ in range(12)]
    classes = rng.choice([0, 5], 12).tolist()
    truth = make_truth(*((box, each, 0) for box, each in zip(boxes, classes, strict=True)))
    rows = []
    for box, each in zip(boxes, classes, strict=True):
        for _ in range(2):
            moved = np.maximum(np.array(box) + rng.normal(0, 4, 4), 1).tolist()
            rows.append(row(moved, float(rng.random()), each))
    taken: set[int] = set()
    expected = []
    for each in sorted((r for r in rows if r["score"] > 0.3), key=lambda r: -r["score"]):
        free = [
            (overlap(each["bbox"], boxes[n]), n)
            for n in range(12)
            if n not in taken and classes[n] == each["category_id"]
        ]
        best = max(free, default=(0.0, -1))
        expected.append("found" if best[0] >= 0.5 else "false")
        if best[0] >= 0.5:
            taken.add(best[1])
    picture, _ = judge(tree_of(truth), rows, score_threshold=0.3)
    assert verdicts(picture)[1] == expected
    assert [box.verdict == "found" for box in picture.truths] == [n in taken for n in range(12)]
    assert picture.found == len(taken) > 0
