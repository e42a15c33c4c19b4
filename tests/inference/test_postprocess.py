"""Decoded boxes to detections, against a slow loop written from the description."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from yolokit.errors import WeightsError
from yolokit.inference.postprocess import require_numbers, select_detections
from yolokit.ops.letterbox import fit_letterbox
from yolokit.types import DecodedArrays, Detections, Letterbox

INPUT = (96, 128)
SAME = fit_letterbox(INPUT, INPUT)  # nothing moves: original pixels are input pixels


def _select(boxes: Any, scores: Any, letterbox: Letterbox = SAME, **thresholds: Any) -> Detections:
    options = {"score_threshold": 0.1, "iou_threshold": 0.5, "max_detections": 100, **thresholds}
    decoded = DecodedArrays(
        np.asarray(boxes, dtype=np.float32).reshape(1, -1, 4),
        np.asarray(scores, dtype=np.float32)[None],
    )
    (found,) = select_detections(decoded, [letterbox], **options)
    return found


def _iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def _slow(
    boxes: np.ndarray,
    scores: np.ndarray,
    letterbox: Letterbox,
    threshold: float,
    iou: float,
    most: int,
) -> list[tuple[list[float], float, int]]:
    """Everything by hand and in doubles: map back, clip, drop, sort, suppress."""
    height, width = letterbox.original_hw
    candidates = []
    for row, box in enumerate(boxes.tolist()):
        if not all(map(math.isfinite, [*box, *scores[row].tolist()])):
            continue
        x1, x2 = ((x - letterbox.pad_xy[0]) / letterbox.scale_xy[0] for x in box[::2])
        y1, y2 = ((y - letterbox.pad_xy[1]) / letterbox.scale_xy[1] for y in box[1::2])
        x1, x2 = (min(max(x, 0.0), width) for x in (x1, x2))
        y1, y2 = (min(max(y, 0.0), height) for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            for label, score in enumerate(scores[row].tolist()):
                if score > threshold:
                    candidates.append(([x1, y1, x2, y2], score, label))
    candidates.sort(key=lambda item: -item[1])  # stable
    kept: list[tuple[list[float], float, int]] = []
    for box, score, label in candidates:
        if all(other != label or _iou(box, rival) <= iou for rival, _, other in kept):
            kept.append((box, score, label))
    return kept[:most]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("original_hw", [(96, 128), (61, 47), (333, 1001), (7, 200), (1, 1)])
def test_agrees_with_the_loop(seed: int, original_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-30, 120, (80, 2))
    size = rng.uniform(0, 90, (80, 2)) * (rng.random((80, 1)) > 0.1)  # some without area
    boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
    scores = rng.random((80, 4), dtype=np.float32)
    boxes[3, 1], boxes[7, 2], scores[11, 0] = np.nan, np.inf, np.nan
    letterbox = fit_letterbox(original_hw, INPUT)
    got = _select(boxes, scores, letterbox, score_threshold=0.4, max_detections=50)
    expected = _slow(boxes, scores, letterbox, 0.4, 0.5, 50)
    assert len(got) == len(expected)
    assert (got.boxes.dtype, got.scores.dtype, got.labels.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )
    for row, (box, score, label) in enumerate(expected):
        np.testing.assert_allclose(got.boxes[row], box, atol=1e-3 * max(original_hw))
        assert (got.scores[row], got.labels[row]) == (np.float32(score), label)


@pytest.mark.parametrize("original_hw", [(61, 47), (333, 1001), (480, 640), (97, 3)])
def test_boxes_return_to_where_they_were_at_odd_sizes(original_hw: tuple[int, int]) -> None:
    letterbox = fit_letterbox(original_hw, INPUT)
    height, width = original_hw
    original = np.array([width * 0.2, height * 0.3, width * 0.9, height * 0.7])
    scale, pad = np.array(letterbox.scale_xy * 2), np.array(letterbox.pad_xy * 2)
    found = _select(original * scale + pad, [[0.9]], letterbox)
    np.testing.assert_allclose(found.boxes[0], original, rtol=1e-4)


def test_one_box_may_be_two_classes() -> None:
    found = _select([[10, 10, 50, 50]], [[0.6, 0.05, 0.8]])
    assert found.labels.tolist() == [2, 0]
    np.testing.assert_allclose(found.scores, [0.8, 0.6])


def test_equal_scores_keep_the_grids_order() -> None:
    boxes = [[10.0 * i, 0, 10.0 * i + 5, 5] for i in range(8)]
    found = _select(boxes, [[0.5]] * 8)
    assert found.boxes[:, 0].tolist() == [10.0 * i for i in range(8)]


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    assert len(_select([[0, 0, 9, 9]], [[0.5]], score_threshold=0.5)) == 0
    assert len(_select([[0, 0, 9, 9]], [[0.5]], score_threshold=0.49)) == 1


def test_boxes_in_the_padding_are_dropped() -> None:
    letterbox = fit_letterbox((96, 32), INPUT)  # lies between x = 48 and x = 80
    found = _select([[0, 10, 40, 50], [40, 10, 60, 50]], [[0.9], [0.8]], letterbox)
    assert found.boxes.tolist() == [[0, 10, 12, 50]]


def test_the_best_are_kept() -> None:
    boxes = [[10.0 * i, 0, 10.0 * i + 5, 5] for i in range(5)]
    found = _select(boxes, [[0.3], [0.9], [0.5], [0.7], [0.4]], max_detections=2)
    assert found.boxes[:, 0].tolist() == [10, 30]


def test_nothing_in_nothing_out() -> None:
    for found in (
        _select(np.zeros((0, 4)), np.zeros((0, 3))),
        _select([[0, 0, 9, 9]], [[0.01]]),
        _select([[5, 5, 5, 9]], [[0.9]]),
    ):
        assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)
        assert found.labels.shape == (0,) and len(found) == 0


def test_each_picture_has_its_own_letterbox_and_inputs_are_unchanged() -> None:
    boxes = np.array([[[0, 0, 128, 96]], [[0, 0, 128, 96]]], dtype=np.float32)
    scores = np.array([[[0.5]], [[0.6]]], dtype=np.float32)
    before = boxes.copy()
    letterboxes = [fit_letterbox((10, 20), INPUT), fit_letterbox((50, 50), INPUT)]
    first, second = select_detections(
        DecodedArrays(boxes, scores),
        letterboxes,
        score_threshold=0.1,
        iou_threshold=0.5,
        max_detections=9,
    )
    assert first.boxes.tolist() == [[0, 0, 20, 10]]
    assert second.boxes.tolist() == [[0, 0, 50, 50]]
    assert np.array_equal(boxes, before)


def test_as_many_letterboxes_as_pictures() -> None:
    decoded = DecodedArrays(np.zeros((2, 1, 4), np.float32), np.zeros((2, 1, 1), np.float32))
    with pytest.raises(ValueError, match="shorter"):
        select_detections(decoded, [SAME], score_threshold=0, iou_threshold=0.5, max_detections=9)


def test_one_to_one_boxes_are_not_suppressed() -> None:
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 10]]], dtype=np.float32)
    scores = np.array([[[0.9], [0.8]]], dtype=np.float32)
    decoded = DecodedArrays(boxes, scores, one_to_one=True)
    options = {"score_threshold": 0.1, "iou_threshold": 0.5, "max_detections": 100}
    (found,) = select_detections(decoded, [SAME], **options)
    assert len(found.scores) == 2
    (found,) = select_detections(decoded._replace(one_to_one=False), [SAME], **options)
    assert len(found.scores) == 1


def _outputs(boxes: float, scores: float) -> DecodedArrays:
    return DecodedArrays(
        np.full((2, 3, 4), boxes, np.float32), np.full((2, 3, 5), scores, np.float32)
    )


@pytest.mark.parametrize(("boxes", "scores"), [(np.nan, 0.5), (1.0, np.nan), (np.inf, 0.0)])
def test_nothing_but_nan_is_no_empty_result(boxes: float, scores: float) -> None:
    """A network of NaN used to "find nothing"."""
    outputs = _outputs(boxes, scores)
    with pytest.raises(WeightsError, match="outputs are not numbers"):
        require_numbers(outputs)
    outputs.boxes[1, 2], outputs.scores[1, 2] = 1.0, 0.0  # one sound box: the rest is dropped
    assert require_numbers(outputs) is outputs


def test_no_boxes_are_no_nan() -> None:
    empty = DecodedArrays(np.zeros((2, 0, 4), np.float32), np.zeros((2, 0, 3), np.float32))
    assert require_numbers(empty) is empty
