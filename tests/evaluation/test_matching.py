"""What is counted from one matching: thresholds, confusion, calibration, groups, intervals."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.test_error_analysis import A, B, random_case, row, truth_of
from yolokit.data.coco_file import tree_of
from yolokit.evaluation.calibration import ScoreBin, calibration_error, reliability
from yolokit.evaluation.confusion import confusion_matrix
from yolokit.evaluation.groups import groups_by_crowding, groups_by_size
from yolokit.evaluation.intervals import ap50_interval
from yolokit.evaluation.matching import match_rows, overlaps
from yolokit.evaluation.thresholds import operation_at, threshold_curves
from yolokit.evaluation.verdicts import judge


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9])
def test_one_matching_holds_at_every_threshold(seed: int, threshold: float) -> None:
    """The oracle matches anew what scores more than each threshold."""
    truth, rows = random_case(seed)
    tree = tree_of(truth)
    pictures = judge(tree, rows, score_threshold=threshold)
    matching = match_rows(tree, rows)
    counted = operation_at(matching, threshold)["all"]
    assert counted.found == sum(each.found for each in pictures)
    assert counted.false_alarms == sum(each.false_alarms for each in pictures)
    assert counted.objects - counted.found == sum(each.missed for each in pictures)
    curve = threshold_curves(matching)[0]
    assert curve.at(threshold) == counted
    matrix = confusion_matrix(matching, threshold=threshold)
    assert matrix.trace() == counted.found
    assert matrix[:-1].sum() == counted.objects
    assert matrix[:, :-1].sum() == counted.found + counted.false_alarms
    for groups in (
        groups_by_size(matching, threshold=threshold),
        groups_by_crowding(matching, threshold=threshold),
    ):
        assert sum(each.objects for each in groups) == counted.objects
        assert sum(each.found for each in groups) == counted.found


@pytest.mark.parametrize("seed", range(3))
def test_no_other_threshold_has_a_better_f1(seed: int) -> None:
    truth, rows = random_case(seed)
    matching = match_rows(tree_of(truth), rows)
    for curve in threshold_curves(matching):
        best = curve.best
        assert best is not None
        mine = curve.at(best).f1
        others = [curve.at(each / 1000).f1 for each in range(1000)]
        assert mine == pytest.approx(max(others))


def test_the_threshold_lies_in_the_middle_of_the_best() -> None:
    """Right at 0.8, wrong at 0.4: every threshold from 0.4 to 0.799 gives F1 1."""
    rows = [row(1, 5, A, 0.8), row(1, 5, B, 0.4)]
    curve = threshold_curves(match_rows(tree_of(truth_of((1, 5, A))), rows))[0]
    assert curve.best == pytest.approx(0.599)
    assert (curve.at(0.599).precision, curve.at(0.599).recall, curve.at(0.599).f1) == (1, 1, 1)
    below = curve.at(0.2)
    assert (below.precision, below.recall) == (0.5, 1) and below.f1 == pytest.approx(2 / 3)


def test_without_finds_there_is_no_threshold() -> None:
    curves = threshold_curves(match_rows(tree_of(truth_of((1, 5, A))), []))
    assert [curve.best for curve in curves] == [None, None, None]
    assert curves[0].at(0.5).f1 == 0 and math.isnan(curves[0].at(0.5).precision)
    assert math.isnan(curves[2].at(0.5).f1)  # no dog


def test_confusion_by_hand() -> None:
    """A cat found, a cat called a dog, a dog missed, and a cat where nothing is."""
    truth = truth_of((1, 5, A), (1, 5, B), (2, 6, A))
    rows = [row(1, 5, A, 0.9), row(1, 6, B, 0.8), row(2, 5, B, 0.7), row(2, 6, A, 0.2)]
    matrix = confusion_matrix(match_rows(tree_of(truth), rows), threshold=0.5)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_crowds_are_in_no_count() -> None:
    truth = truth_of((1, 5, A), (1, 5, B))
    truth["annotations"][1]["iscrowd"] = 1
    rows = [row(1, 5, A, 0.9), row(1, 5, B, 0.8)]
    matching = match_rows(tree_of(truth), rows)
    assert confusion_matrix(matching, threshold=0.0).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert operation_at(matching, 0.0)["all"].objects == 1
    assert [each.count for each in reliability(matching)] == [1]


def test_calibration_by_hand() -> None:
    """Two at 0.9, one right: off by 0.4; one right at 0.3: off by 0.7. Mean: (0.4 2 + 0.7) / 3."""
    truth = truth_of((1, 5, A), (1, 5, B))
    rows = [row(1, 5, A, 0.95), row(2, 5, A, 0.85), row(1, 5, B, 0.3), row(2, 5, B, 0.05)]
    bins = reliability(match_rows(tree_of(truth), rows))
    assert [each.count for each in bins] == [1, 1, 1]
    # 0.85 and 0.95 lie in two bins: |0.85 - 0| + |0.95 - 1| + |0.3 - 1| over three.
    assert calibration_error(bins) == pytest.approx((0.85 + 0.05 + 0.7) / 3)
    assert calibration_error([ScoreBin(2, 0.9, 0.5), ScoreBin(1, 0.3, 1.0)]) == pytest.approx(0.5)
    assert math.isnan(calibration_error([]))


def test_groups_by_hand() -> None:
    """Twins overlap by half, the third stands alone; one twin is found, and the loner at 0.3."""
    twin = [0.0, 5.0, 10.0, 10.0]  # IoU with A: 50 / 150
    truth = truth_of((1, 5, A), (1, 6, twin), (1, 5, [40, 40, 40, 40]))
    rows = [row(1, 5, A, 0.9), row(1, 5, [40, 40, 40, 40], 0.3)]
    matching = match_rows(tree_of(truth), rows)
    crowding = groups_by_crowding(matching, threshold=0.5)
    assert [(each.objects, each.found, each.ever_found) for each in crowding] == [
        (1, 0, 1),
        (0, 0, 0),
        (2, 1, 1),
    ]
    sizes = groups_by_size(matching, threshold=0.5)
    assert [(each.objects, each.found) for each in sizes] == [(2, 1), (1, 0), (0, 0)]


def test_few_pictures_leave_a_wide_interval_and_perfection_none() -> None:
    truth = truth_of(*[(image, 5, A) for image in range(1, 9)], images=8)
    rows = [row(image, 5, A, 0.9) for image in range(1, 9)]
    perfect = ap50_interval(match_rows(tree_of(truth), rows))
    assert perfect == (1.0, 1.0)
    half = ap50_interval(match_rows(tree_of(truth), rows[:4]))
    assert half is not None and half.low < 0.3 and half.high > 0.7


def test_the_interval_is_that_of_drawn_data_sets() -> None:
    """The oracle writes each draw as a data set of its own and scores it with pycocotools."""
    from yolokit.evaluation.coco_map import evaluate_rows

    truth, rows = random_case(1)
    values = []
    generator = np.random.default_rng(0)
    for _ in range(200):
        drawn = generator.integers(0, 10, 10).tolist()
        part: dict[str, Any] = {**truth, "images": [], "annotations": []}
        part_rows = []
        for place, source in enumerate(drawn):
            part["images"].append({**truth["images"][source], "id": place})
            for each in truth["annotations"]:
                if each["image_id"] == source + 1:
                    number = len(part["annotations"])
                    part["annotations"].append({**each, "image_id": place, "id": number})
            part_rows += [{**r, "image_id": place} for r in rows if r["image_id"] == source + 1]
        values.append(evaluate_rows(tree_of(part), part_rows).AP50)
    interval = ap50_interval(match_rows(tree_of(truth), rows))
    assert interval is not None
    expected = np.percentile(np.array(values)[~np.isnan(values)], [2.5, 97.5])
    assert list(interval) == pytest.approx(expected.tolist(), abs=1e-9)


def test_overlaps_by_loop() -> None:
    random = np.random.default_rng(3)
    first, second = random.uniform(0, 30, (6, 4)), random.uniform(0, 30, (4, 4))
    for n, (x, y, w, h) in enumerate(first):
        for m, (u, v, a, b) in enumerate(second):
            wide = max(0.0, min(x + w, u + a) - max(x, u))
            high = max(0.0, min(y + h, v + b) - max(y, v))
            expected = wide * high / (w * h + a * b - wide * high)
            assert overlaps(first, second)[n, m] == pytest.approx(expected)
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_a_real_set_of_eighty_classes(real_root: Path) -> None:
    """COCO's own hundred pictures and made-up results: AP50 as published, by the same matching."""
    from yolokit.evaluation.coco_io import load_rows, load_truth
    from yolokit.evaluation.error_analysis import find_errors, measure_losses

    folder = real_root / "eval" / "coco_val2014_100"
    truth = load_truth(folder / "instances_val2014_100.json")
    rows = load_rows(folder / "instances_val2014_fakebbox100_results.json")
    matching = match_rows(truth, rows)
    losses = measure_losses(matching, find_errors(matching))
    expected = json.loads((folder / "expected.json").read_text())
    assert losses.ap50 == pytest.approx(expected["AP50"], abs=1e-9)
