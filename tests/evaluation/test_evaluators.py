"""hotcoco against pycocotools, who counts when, and what happens where hotcoco is not there."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from yolokit.data.coco_file import tree_of
from yolokit.evaluation import evaluators
from yolokit.evaluation.coco_map import evaluate_rows
from yolokit.evaluation.evaluators import Counts, count, match
from yolokit.evaluation.tables import BoxTable, ScoringTables
from yolokit.evaluation.verdicts import judge

EDGES = (0.0, 32.0**2, 96.0**2, 1e5**2, -3.0, 2e10)  # of COCO's area ranges, and beyond them


def random_boxes(rng: np.random.Generator, count: int, *, grid: bool) -> Any:
    """Boxes of 1 to 300 pixels, partly outside; on a grid many overlaps are exactly equal."""
    boxes = np.concatenate(
        [rng.uniform(-20, 400, (count, 2)), np.exp(rng.uniform(0, 5.7, (count, 2)))], axis=1
    )
    boxes = np.round(boxes / 8) * 8 if grid else boxes
    boxes[rng.random(count) < 0.03, 2] = 0  # no width
    boxes[rng.random(count) < 0.03, 3] = -5  # a negative height
    return boxes


def random_tables(seed: int) -> ScoringTables:
    """Crowds, tied scores, duplicates, classes and pictures without either side, crowded pictures,
    areas as of masks and on the edges of COCO's sizes."""
    rng = np.random.default_rng(seed)
    images, classes = int(rng.integers(1, 15)), int(rng.integers(1, 6))
    grid = bool(rng.random() < 0.4)
    n = 0 if rng.random() < 0.05 else int(rng.integers(1, 7 * images))
    boxes = random_boxes(rng, n, grid=grid)
    areas = boxes[:, 2] * boxes[:, 3] * np.where(rng.random(n) < 0.5, 1, rng.uniform(0.3, 1, n))
    areas = np.where(rng.random(n) < 0.05, rng.choice(EDGES, n), areas)
    truth = BoxTable(
        images=rng.integers(1, images + 1, n),
        categories=rng.integers(1, classes + 1, n),
        boxes_xywh=boxes,
        areas=areas,
        crowd=rng.random(n) < 0.12,
        scores=np.zeros(n),
    )
    return ScoringTables(images, classes, truth, _detections(rng, truth, images, classes, grid))


def _detections(
    rng: np.random.Generator, truth: BoxTable, images: int, classes: int, grid: bool
) -> BoxTable:
    hits = rng.integers(0, max(len(truth), 1), 0 if len(truth) == 0 else 2 * len(truth))
    moved = truth.boxes_xywh[hits] + rng.normal(0, 1, (len(hits), 4)) * rng.choice([0, 1, 6])
    misses = int(rng.integers(0, 5 * images))
    crowded = 250 if rng.random() < 0.2 else 0  # of one class in one picture: 100 count
    boxes = np.concatenate([moved, random_boxes(rng, misses + crowded, grid=grid)])
    levels = int(rng.choice([2, 10, 1000]))  # the fewer, the more scores are tied
    order = rng.permutation(len(boxes))
    extra = np.full(crowded, 1)
    return BoxTable(
        images=np.concatenate([truth.images[hits], rng.integers(1, images + 1, misses), extra])[
            order
        ],
        categories=np.concatenate(
            [truth.categories[hits], rng.integers(1, classes + 1, misses), extra]
        )[order],
        boxes_xywh=boxes[order],
        areas=(boxes[:, 2] * boxes[:, 3])[order],
        crowd=np.zeros(len(boxes), dtype=bool),
        scores=rng.integers(-1, levels + 1, len(boxes)) / levels,
    )


@pytest.fixture
def referee(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without hotcoco."""
    monkeypatch.setitem(sys.modules, "hotcoco", None)


def both(tables: ScoringTables) -> tuple[Counts, Counts]:
    pytest.importorskip("hotcoco")
    quick = count(tables, quick=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hotcoco", None)
        slow = count(tables, quick=True)
    return quick, slow


@pytest.mark.parametrize("block", range(4))
def test_hotcoco_counts_what_pycocotools_counts(block: int) -> None:
    seen = 0
    for seed in range(25 * block, 25 * block + 25):
        quick, slow = both(random_tables(seed))
        assert quick.evaluator.startswith("hotcoco ") and slow.evaluator.startswith("pycocotools ")
        assert quick.numbers == slow.numbers, seed
        assert np.array_equal(quick.precision, slow.precision), seed
        assert np.array_equal(quick.recall, slow.recall), seed
        seen += 0 < slow.numbers[0] < 1
    assert seen > 20  # the cases are worth comparing


def by_place(found: list[Any]) -> dict[tuple[int, int], Any]:
    return {(each["image_id"], each["category_id"]): each for each in found}


@pytest.mark.parametrize("seed", range(30))
def test_matches_are_the_same(seed: int) -> None:
    pytest.importorskip("hotcoco")
    tables = random_tables(seed)
    quick = by_place(match(tables, iou_threshold=0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hotcoco", None)
        slow = by_place(match(tables, iou_threshold=0.5))
    assert quick.keys() == slow.keys()
    for place, theirs in slow.items():
        ours = quick[place]
        for key in ("gtIds", "dtIds", "gtMatches", "dtMatches", "gtIgnore", "dtIgnore"):
            assert np.array_equal(ours[key], theirs[key]), (place, key)


def one_picture(truth: list[list[float]], found: list[list[float]]) -> ScoringTables:
    def side(boxes: list[list[float]]) -> BoxTable:
        array = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        ones = np.ones(len(array), dtype=np.int64)
        with np.errstate(all="ignore"):
            areas = array[:, 2] * array[:, 3]
        return BoxTable(
            images=ones,
            categories=ones,
            boxes_xywh=array,
            areas=areas,
            crowd=np.zeros(len(array), dtype=bool),
            scores=ones * 0.5,
        )

    return ScoringTables(1, 1, side(truth), side(found))


@pytest.mark.parametrize(
    "boxes", [[[0, 0, 1e-300, 1e-300]], [[1e308, 1e308, 1e308, 1e308]], [[0, 0, 1e160, 5]]]
)
def test_pycocotools_counts_boxes_of_absurd_size(boxes: list[list[float]]) -> None:
    """There the two differ: an overlap that is no number matches in one and not in the other."""
    with np.errstate(all="ignore"):
        assert count(one_picture(boxes, boxes), quick=True).evaluator.startswith("pycocotools ")


@pytest.mark.parametrize(
    ("truth", "found"),
    [([], []), ([], [[0, 0, 5, 5]]), ([[0, 0, 5, 5]], []), ([[0, 0, 5, 5]],) * 2],
)
def test_few_boxes_or_none(truth: list[list[float]], found: list[list[float]]) -> None:
    quick, slow = both(one_picture(truth, found))
    assert quick.numbers == slow.numbers


def test_nothing_to_count_at_all() -> None:
    empty = one_picture([], [])
    quick, slow = both(empty._replace(image_count=0, category_count=0))
    assert quick.numbers == slow.numbers == [-1] * 12


def data(pictures: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
        for n in range(pictures)
    ]
    truth = {
        "images": [{"id": n, "file_name": "", "width": 9, "height": 9} for n in range(pictures)],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": annotations,
    }
    rows = [{"image_id": n, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1} for n in range(3)]
    return truth, rows


def test_the_referee_counts_a_little_and_hotcoco_a_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hotcoco")
    truth, rows = data(5)
    tree = tree_of(truth)
    assert evaluate_rows(tree, rows).evaluator.startswith("pycocotools ")
    assert evaluate_rows(tree, rows, quick=True).evaluator.startswith("hotcoco ")
    monkeypatch.setattr(evaluators, "REFEREE_BOXES", 7)  # 5 truths and 3 detections are more
    assert evaluate_rows(tree, rows).evaluator.startswith("hotcoco ")


@pytest.mark.usefixtures("referee")
def test_without_hotcoco_pycocotools_counts_and_is_named() -> None:
    truth, rows = data(5)
    metrics = evaluate_rows(tree_of(truth), rows, quick=True)
    assert metrics.evaluator.startswith("pycocotools ")
    assert pytest.approx(3 / 5) == metrics.AR100
    assert [each.found for each in judge(tree_of(truth), rows, score_threshold=0.5)] == [1] * 3 + [
        0,
        0,
    ]


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    truth, rows = data(5)
    evaluate_rows(tree_of(truth), rows, quick=True)
    assert capfd.readouterr() == ("", "")
