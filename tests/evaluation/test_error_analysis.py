"""TIDE's kinds and what they cost: hand-made pictures, and what the paper says of their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from yolokit.data.coco_file import tree_of
from yolokit.evaluation.coco_map import evaluate_rows
from yolokit.evaluation.error_analysis import (
    KINDS,
    find_errors,
    measure_losses,
    mended_ap50,
)
from yolokit.evaluation.matching import match_rows
from yolokit.evaluation.suspects import suspects


def truth_of(*objects: tuple[int, int, list[float]], images: int = 3) -> dict[str, Any]:
    """Pictures 1, 2 … and on them (picture, category 5 or 6, xywh box), annotations from id 100."""
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 100, "height": 100}
            for n in range(1, images + 1)
        ],
        "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}],
        "annotations": [
            {"id": 100 + n, "image_id": i, "category_id": c, "bbox": b, "area": b[2] * b[3]}
            for n, (i, c, b) in enumerate(objects)
        ],
    }


def row(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


A, B = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("detection", "kind", "annotation"),
    [
        (row(1, 6, A, 0.5), "Cls", 100),  # the cat's box, called a dog
        (row(1, 5, [0, 0, 10, 3], 0.5), "Loc", 100),  # IoU 0.3 with the cat
        (row(1, 6, [0, 0, 10, 3], 0.5), "Both", 100),  # neither box nor class
        (row(1, 5, [80, 80, 5, 5], 0.5), "Bkg", None),
        (row(2, 5, A, 0.5), "Bkg", None),  # a picture without an object
        (row(1, 5, [0, 0, 10, 0.9], 0.5), "Bkg", 100),  # IoU 0.09: nothing, by the paper's limit
    ],
)
def test_each_kind(detection: dict[str, Any], kind: str, annotation: int | None) -> None:
    matching = match_rows(tree_of(truth_of((1, 5, A))), [detection])
    errors = find_errors(matching)
    assert [KINDS[place] for place in errors.kinds] == [kind]
    # The cat is a Miss unless a Cls or Loc error is about it.
    assert errors.count("Miss") == (0 if kind in {"Cls", "Loc"} else 1)
    (suspect,) = suspects(matching, errors, most=5)
    assert (suspect.kind, suspect.annotation_id) == (kind, annotation)
    assert (suspect.image_id, suspect.file_name) == (
        detection["image_id"],
        f"{detection['image_id']}.png",
    )


def test_a_second_detection_is_a_dupe_and_no_suspect() -> None:
    rows = [row(1, 5, A, 0.9), row(1, 5, [0, 0, 10, 9], 0.8)]
    matching = match_rows(tree_of(truth_of((1, 5, A))), rows)
    errors = find_errors(matching)
    assert errors.kinds.tolist() == [-1, KINDS.index("Dupe")]
    assert errors.count("Miss") == 0 and suspects(matching, errors, most=5) == []


def test_what_each_kind_costs_by_hand() -> None:
    """Two cats, A found at 0.5 below a false alarm at 0.9, B missed.

    Precision at the only find is 1/2 up to recall 1/2: AP50 = 0.5 * 51/101. Without the alarm it is
    51/101; with B no longer wanted, recall reaches 1: AP50 0.5.
    """
    rows = [row(1, 5, [80, 80, 5, 5], 0.9), row(1, 5, A, 0.5)]
    matching = match_rows(tree_of(truth_of((1, 5, A), (1, 5, B))), rows)
    losses = measure_losses(matching, find_errors(matching))
    assert losses.ap50 == pytest.approx(0.5 * 51 / 101)
    assert losses.kinds["Bkg"] == pytest.approx(0.5 * 51 / 101)
    assert losses.kinds["Miss"] == pytest.approx(0.5 - 0.5 * 51 / 101)
    assert {losses.kinds[kind] for kind in ("Cls", "Loc", "Both", "Dupe")} == {0.0}
    assert losses.false_positives == losses.kinds["Bkg"]
    assert losses.false_negatives == losses.kinds["Miss"]


def test_of_two_near_misses_the_better_finds_the_object() -> None:
    """Both lie on A at IoU 0.3: mended, the better one is right and the other is gone: AP50 1."""
    rows = [row(1, 5, [0, 0, 10, 3], 0.5), row(1, 5, [0, 0, 3, 10], 0.9)]
    matching = match_rows(tree_of(truth_of((1, 5, A))), rows)
    losses = measure_losses(matching, find_errors(matching))
    assert (losses.ap50, losses.kinds["Loc"]) == (0.0, 1.0)


def random_case(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Crowded pictures whose detections are shifted, of wrong classes, doubled, or nowhere."""
    random = np.random.default_rng(seed)
    objects: list[tuple[int, int, list[float]]] = []
    rows = []
    for image in range(1, 11):
        for _ in range(random.integers(0, 6)):
            box = [*random.uniform(0, 70, 2), *random.uniform(8, 30, 2)]
            objects.append((image, int(random.integers(5, 7)), box))
            for _ in range(random.integers(0, 4)):
                shifted = (np.array(box) + random.normal(0, 4, 4)).clip(1).tolist()
                rows.append(row(image, int(random.integers(5, 7)), shifted, random.random()))
    return truth_of(*objects, images=10), rows


@pytest.mark.parametrize("seed", range(4))
def test_ap50_is_cocos_and_all_oracles_together_leave_no_error(seed: int) -> None:
    truth, rows = random_case(seed)
    tree = tree_of(truth)
    matching = match_rows(tree, rows)
    errors = find_errors(matching)
    losses = measure_losses(matching, errors)
    assert losses.ap50 == pytest.approx(evaluate_rows(tree, rows).AP50, abs=1e-12)
    assert mended_ap50(matching, errors, KINDS) == 1.0
    assert min(losses.kinds.values()) >= -1e-12
    alarms = sum(errors.count(kind) for kind in KINDS if kind != "Miss")
    assert alarms == int(matching.wrong.sum()) > 0


def test_without_objects_there_is_no_number() -> None:
    matching = match_rows(tree_of(truth_of()), [])
    losses = measure_losses(matching, find_errors(matching))
    assert np.isnan(losses.ap50)
