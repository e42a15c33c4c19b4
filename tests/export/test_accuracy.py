"""What an export may cost, and how it is told where the loss is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from yolokit.errors import ExportError
from yolokit.evaluation.coco_io import load_truth
from yolokit.evaluation.coco_map import evaluate_rows
from yolokit.export.accuracy import Accuracy, require_accuracy, where_lost
from yolokit.sections import SplitConfig


@pytest.fixture
def accuracy(write_split: Callable[..., SplitConfig]) -> Accuracy:
    """All found before; afterwards one of two small cats is missed."""
    boxes = {1: [[0, 0, 20, 20], [50, 0, 20, 20]], 2: [[0, 25, 40, 20]]}
    annotations: list[dict[str, Any]] = [
        {"id": 10 * category + n, "image_id": 1, "category_id": category, "bbox": box}
        for category, found in boxes.items()
        for n, box in enumerate(found)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    truth = load_truth(write_split(annotations, categories=categories).annotations)
    rows = [
        {key: each[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for each in annotations
    ]
    before, after = evaluate_rows(truth, rows), evaluate_rows(truth, rows[1:])
    return Accuracy(before, after, "val")


def test_the_loss_and_where_it_is(accuracy: Accuracy) -> None:
    """Precision 1 up to a recall of a half: 51 of 101 points of the cats' curve, AP 0.5050."""
    cats = 51 / 101
    assert accuracy.lost == pytest.approx(100 * (1 - (cats + 1) / 2))
    assert where_lost(accuracy) == ["cat -49.50", "APs -24.75"]


def test_the_gate(accuracy: Accuracy) -> None:
    require_accuracy(accuracy, 24.8)
    with pytest.raises(ExportError) as caught:
        require_accuracy(accuracy, 0.5)
    assert str(caught.value) == (
        "the exported file loses 24.75 AP points on val (1.0000 -> 0.7525), more than 0.5: "
        "cat -49.50, APs -24.75. Nothing was written; --max-drop 24.8 accepts it"
    )


def test_a_gain_passes(accuracy: Accuracy) -> None:
    turned = Accuracy(accuracy.after, accuracy.before, "val")
    assert turned.lost < 0
    require_accuracy(turned, 0.0)
