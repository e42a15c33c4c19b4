"""Result rows as columns: plain and odd rows mean the same."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from yolokit.data.coco_file import tree_of
from yolokit.errors import DataError
from yolokit.evaluation.tables import BoxTable, scoring_tables

TRUTH: dict[str, Any] = {
    "images": [{"id": each, "file_name": "", "width": 9, "height": 9} for each in ("b", "a", "7")],
    "categories": [{"id": 40, "name": "x"}, {"id": 3, "name": "y"}],
    "annotations": [{"id": 1, "image_id": "a", "category_id": 40, "bbox": [1, 2, 3, 4]}],
}


def row(**changes: Any) -> dict[str, Any]:
    return {"image_id": "b", "category_id": 40, "bbox": [0, 0.5, 2, 3], "score": 0.5, **changes}


def detections(*rows: Any) -> BoxTable:
    return scoring_tables(tree_of(TRUTH), rows).detections


def test_rows_are_numbered_as_their_ids_are_ordered() -> None:
    found = detections(row(), row(image_id="7", category_id=3, score=1, bbox=(1, 1, 0, -2)))
    assert found.images.tolist() == [3, 1]  # "7" < "a" < "b"
    assert found.categories.tolist() == [2, 1]
    assert found.boxes_xywh.tolist() == [[0, 0.5, 2, 3], [1, 1, 0, -2]]
    assert (found.areas.tolist(), found.scores.tolist()) == ([6, 0], [0.5, 1])
    truth = scoring_tables(tree_of(TRUTH), []).truth
    assert (truth.images.tolist(), truth.areas.tolist(), truth.crowd.tolist()) == (
        [2],
        [12],
        [False],
    )


@pytest.mark.parametrize(
    "odd",
    [
        lambda plain: MappingProxyType(plain),
        lambda plain: {**plain, "score": np.float64(0.5)},
        lambda plain: {**plain, "bbox": [np.int64(0), 0.5, 2, 3]},
        lambda plain: {**plain, "category_id": 40.0},
        lambda plain: {**plain, "category_id": np.int64(40)},
        lambda plain: {**plain, "category_id": "40"},
    ],
    ids=["mapping", "score", "box", "fraction", "numpy id", "text id"],
)
def test_odd_rows_mean_what_plain_ones_do(odd: Callable[[dict[str, Any]], Any]) -> None:
    plain, mixed = detections(row(), row(score=0.25)), detections(odd(row()), row(score=0.25))
    for name in BoxTable.__slots__:
        ours, theirs = getattr(mixed, name), getattr(plain, name)
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs), name


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"category_id": True}, "category_id True"),
        ({"image_id": ["b"]}, "image_id"),
        ({"bbox": [0, 0, True, 1]}, "bbox"),
        ({"bbox": [0, 0, 10**400, 1]}, "bbox"),
        ({"bbox": "0011"}, "bbox"),
        ({"score": float("inf")}, "score inf"),
    ],
)
def test_what_only_looks_plain_is_named(broken: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"results row 1 has {says}"):
        detections(row(), row(**broken))


def test_no_rows() -> None:
    found = detections()
    assert (len(found), found.boxes_xywh.shape) == (0, (0, 4))
