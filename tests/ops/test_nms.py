"""NMS against torchvision's, against a loop, and the properties a user relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from yolokit.ops.nms import class_aware_nms


def nms(boxes: Any, scores: Any, labels: Any, threshold: float, most: int) -> list[int]:
    kept = class_aware_nms(
        np.asarray(boxes, np.float32),
        np.asarray(scores, np.float32),
        np.asarray(labels, np.int64),
        threshold,
        most,
    )
    assert kept.dtype == np.int64
    return kept.tolist()


def full_nms(boxes: Any, scores: Any, labels: Any, threshold: float) -> list[int]:
    """torchvision's, among all boxes; ranks as scores leave its unstable sort no ties to break."""
    order = torch.argsort(torch.from_numpy(scores), descending=True, stable=True)
    ranks = torch.arange(len(order), 0, -1, dtype=torch.float64)
    ordered = torch.from_numpy(boxes)[order].double()
    kept = batched_nms(ordered, ranks, torch.from_numpy(labels)[order], threshold)
    return order[kept].tolist()


def crowd(
    rng: np.random.Generator, count: int, classes: int, ties: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Boxes that overlap much, with ``ties`` different scores (0: all differ)."""
    corner = rng.random((count, 2)) * 60
    size = 5 + rng.random((count, 2)) * 25
    scores = rng.random(count)
    if ties:
        scores = np.round(scores * ties) / ties
    boxes = np.concatenate((corner, corner + size), 1).astype(np.float32)
    return boxes, scores.astype(np.float32), rng.integers(0, classes, count)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.65, 0.95])
@pytest.mark.parametrize(
    ("count", "classes", "ties"),
    [(7, 1, 0), (300, 1, 4), (1024, 3, 8), (1025, 1, 1), (4000, 80, 0), (9000, 2, 1000)],
)
def test_is_the_head_of_full_suppression(
    count: int, classes: int, ties: int, threshold: float
) -> None:
    """However many are wanted: across blocks, ties at their borders, classes of few boxes."""
    case = crowd(np.random.default_rng(count + ties), count, classes, ties)
    full = full_nms(*case, threshold)
    for most in (1, 5, 100, 1023, count + 1):
        assert nms(*case, threshold, most) == full[:most]


@pytest.mark.parametrize("seed", range(40))
def test_is_the_head_of_full_suppression_in_small_cases(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 4, 16, …, so that a few boxes cross many borders."""
    monkeypatch.setattr("yolokit.ops.nms._FIRST_BLOCK", 4)
    rng = np.random.default_rng(seed)
    case = crowd(rng, int(rng.integers(1, 200)), int(rng.integers(1, 6)), int(rng.integers(0, 12)))
    full = full_nms(*case, 0.5)
    for most in (1, 2, 3, 10, 200):
        assert nms(*case, 0.5, most) == full[:most]


def test_is_the_loop_on_crowded_boxes_with_tied_scores() -> None:
    boxes, scores, labels = crowd(np.random.default_rng(0), 150, 3, 8)
    kept: list[int] = []
    for index in sorted(range(150), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if labels[k] == labels[index]]
        if all(_iou(boxes[index].tolist(), boxes[k].tolist()) <= 0.4 for k in rivals):
            kept.append(index)
    assert nms(boxes, scores, labels, 0.4, 1000) == kept


def _iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def test_classes_do_not_suppress_each_other() -> None:
    assert nms([[0, 0, 10, 10]] * 2, [0.5, 0.9], [0, 1], 0.5, 10) == [1, 0]


def test_threshold_one_suppresses_nothing() -> None:
    assert nms([[0, 0, 10, 10]] * 3, [0.1, 0.3, 0.2], [0, 0, 0], 1.0, 10) == [1, 2, 0]


def test_keeps_the_best_when_there_are_too_many() -> None:
    boxes = np.arange(5)[:, None] * 100 + np.array([[0, 0, 10, 10]])
    assert nms(boxes, np.arange(5), [0] * 5, 0.5, 2) == [4, 3]


def test_boxes_without_area_overlap_nothing() -> None:
    assert nms([[3, 3, 3, 9]] * 2, [0.2, 0.1], [0, 0], 0.0, 10) == [0, 1]  # union 0: IoU 0


def test_overlap_is_computed_in_float64() -> None:
    # IoU 0.501 > 0.5; beside 80 classes at 4000 px, offsets in float32 would move edges by 1/64 px
    boxes = [[0, 0, 1, 1], [0, 0, 1, 0.501], [0, 0, 4000, 4000]]
    assert nms(boxes, [0.9, 0.8, 0.7], [79, 79, 0], 0.5, 10) == [0, 2]


def test_no_boxes_give_no_indices() -> None:
    assert nms(np.zeros((0, 4)), [], [], 0.5, 10) == []
