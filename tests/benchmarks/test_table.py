"""The tables' arithmetic, and the results folder they are read from."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from results import Entry, Point
from table import (
    Result,
    accuracy_table,
    best_peer,
    course_table,
    differences,
    minutes_to,
    score,
)

CURVE = [Point(1.0, 0.1), Point(2.0, 0.4), Point(3.0, 0.3), Point(4.0, 0.5)]


def result(contestant: str, name: str, ap: float, *, seed: int = 0, val_ap: float = 0.5) -> Result:
    return Result(contestant, name, seed, ap, ap + 0.1, val_ap, 10 + seed, CURVE)


def test_minutes_are_those_of_the_first_validation_that_reaches_the_goal() -> None:
    assert minutes_to(CURVE, 0.4) == 2.0  # reached exactly; the dip after it does not count
    assert minutes_to(CURVE, 0.45) == 4.0
    assert minutes_to(CURVE, 0.0) == 1.0
    assert minutes_to(CURVE, 0.6) == math.inf
    assert minutes_to(CURVE, None) == 4.0  # its own best
    assert minutes_to([], None) == math.inf


def test_the_best_peer_is_none_of_ours_and_judged_by_its_median() -> None:
    results = [
        result("yolokit-a", "s", 0.9, val_ap=0.9),
        result("steady", "s", 0.5, val_ap=0.5),
        *(result("lucky", "s", 0.1, seed=k, val_ap=v) for k, v in enumerate((0.8, 0.2, 0.3))),
    ]
    assert best_peer(results) == ("steady", 0.5)
    name, ap = best_peer(results[:1])
    assert name == ""
    assert math.isnan(ap)


def test_accuracy_is_a_median_over_seeds_and_a_mean_over_sets() -> None:
    results = [result("yolokit-a", "s", ap, seed=k) for k, ap in enumerate((0.2, 0.6, 0.5))]
    results += [result("yolokit-a", "t", 0.7), result("peer", "s", 0.9)]
    assert accuracy_table(results, ["s", "t"]) == [
        "| contestant | seeds | s AP | s AP50 | t AP | t AP50 | mean AP | mean AP50 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| yolokit-a | 1-3 | 0.500 | 0.600 | 0.700 | 0.800 | 0.600 | 0.700 |",
        "| peer | 0-1 | 0.900 | 1.000 | - | - | - | - |",  # no mean of half the sets
    ]


def test_the_course_table_holds_all_to_the_best_peer() -> None:
    results = [
        result("yolokit-a", "s", 0.9, seed=0),
        result("yolokit-a", "s", 0.9, seed=2),
        # a peer that measures itself lower than the scorer does is held to its own best
        result("peer", "s", 0.5, val_ap=0.55),
        result("weak", "s", 0.1, val_ap=0.3),
    ]
    assert course_table(results, ["s"]) == [
        "| contestant | s epochs | minutes to AP 0.550 |",
        "| --- | --- | --- |",
        "| peer | 10 | 4.0 |",
        "| weak | 10 | - |",
        "| yolokit-a | 11 | - |",
    ]


def test_unlike_trainings_are_named() -> None:
    info = {"minutes": 10, "image_size": 320, "threads": 2, "device": "cpu", "set": "s"}
    one = {**info, "fingerprints": {"train": "x"}}
    assert differences([one, dict(one)]) == []
    assert differences([]) == []
    (budget,) = differences([one, {**one, "minutes": 20}])
    assert "minutes: 10 | 20" in budget
    (content,) = differences([one, {**one, "fingerprints": {"train": "y"}}])
    assert content.endswith("different versions of s")


def test_an_entry_keeps_its_course_and_is_finished_by_its_info(tmp_path: Path) -> None:
    entry = Entry.of(tmp_path, "peer", "s", 3)
    entry.clear()
    assert entry.folder == tmp_path / "peer" / "s" / "seed3"
    entry.write_curve(CURVE)
    assert entry.read_curve() == CURVE
    assert not entry.info.exists()
    entry.write_info({"epochs": 4})
    assert entry.read_info() == {"epochs": 4}
    entry.clear()
    assert list(entry.folder.iterdir()) == []


@pytest.mark.slow
def test_scores_are_the_evaluators(tmp_path: Path, pair_of_pictures: Path) -> None:
    entry = Entry.of(tmp_path, "peer", "pair", 0)
    entry.clear()
    row = {"image_id": 41, "category_id": 7, "bbox": [20, 10, 50, 30], "score": 0.9}
    entry.write_predictions("val", [row])
    numbers = score(entry, pair_of_pictures, "val")
    assert numbers["AP"] == pytest.approx(0.5)  # one class perfect, the other one unseen
    assert json.loads(entry.scores("val").read_text()) == numbers
