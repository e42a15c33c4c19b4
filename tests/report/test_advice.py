"""Advice comes from numbers: each case has the one that it is about."""

from __future__ import annotations

import math

import pytest

from tests.evaluation.test_error_analysis import A, B, row, truth_of
from yolokit.data.coco_file import tree_of
from yolokit.evaluation.coco_map import evaluate_rows
from yolokit.report.advice import advice, duration, run_advice
from yolokit.report.scored import analyse


@pytest.mark.parametrize(
    ("aps", "said"),
    [
        # 0.30 after three quarters, 0.36 at the end: 0.06 more.
        ([0.1, 0.2, 0.25, 0.28, 0.29, 0.30, 0.33, 0.36], "AP still climbs: 0.060 of its 0.360"),
        ([0.1, 0.4, 0.5, 0.49, 0.48, 0.47, 0.46, 0.45], "AP was best after epoch 3 of 8"),
        (
            [0.1, 0.4, 0.5, 0.52, 0.53, 0.535, 0.536, 0.538],
            "the last quarter of the run brought 0.003",
        ),
        ([0.1, math.nan, 0.2, 0.3], ""),  # too few to tell
    ],
)
def test_the_course_of_a_run(aps: list[float], said: str) -> None:
    lines = run_advice(list(enumerate(aps, 1)), seconds=300)
    assert (said in lines[0]) if said else lines == []
    if "climbs" in said:
        assert "Train twice as long: 16 epochs, or 10m." in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1s"), (90, "90s"), (600, "10m"), (3600, "1h"), (5400, "1h30m")]
)
def test_durations_are_what_time_budget_takes(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def lines_of(truth: dict, rows: list[dict]) -> str:
    tree = tree_of(truth)
    return "\n".join(advice(analyse("val", evaluate_rows(tree, rows), rows, tree)))


def test_few_boxes_cannot_tell() -> None:
    """One object in each of six pictures, half of them found."""
    truth = truth_of(*[(image, 5, A) for image in range(1, 7)], images=6)
    said = lines_of(truth, [row(image, 5, A, 0.9) for image in (1, 3, 5)])
    assert "6 val boxes cannot tell a small difference: AP50 0.505 would lie between" in said
    assert "cat (6)" in said


def test_the_classes_that_are_confused_are_named() -> None:
    truth = truth_of((1, 5, A), (2, 5, A), (3, 6, B))
    rows = [row(1, 6, A, 0.9), row(2, 6, A, 0.8), row(3, 6, B, 0.7)]
    assert "cat is detected as dog most often (2 times)" in lines_of(truth, rows)


def test_nothing_labelled_is_told() -> None:
    assert "The val pictures have no box: nothing can be told." in lines_of(truth_of(), [])
