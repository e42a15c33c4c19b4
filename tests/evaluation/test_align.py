"""Classes of a model against categories of a data set."""

from __future__ import annotations

from typing import Any

import pytest

from yolokit.errors import DataError
from yolokit.evaluation.align import align_categories


def truth_of(categories: dict[int, str], used: list[int]) -> dict[str, Any]:
    return {
        "categories": [{"id": each, "name": name} for each, name in categories.items()],
        "annotations": [{"category_id": each} for each in used],
    }


def test_same_table() -> None:
    truth = truth_of({3: "red", 90: "white"}, [3, 90])
    assert align_categories(["white", "red"], [90, 3], truth, "here") == [90, 3]


def test_same_names_numbered_anew() -> None:
    truth = truth_of({1: "white", 0: "red"}, [0, 1])
    assert align_categories(["white", "red"], [90, 3], truth, "here") == [1, 0]


def test_swapped_ids_go_by_name() -> None:
    truth = truth_of({1: "white", 2: "red"}, [1, 2])
    assert align_categories(["red", "white"], [1, 2], truth, "here") == [2, 1]


def test_a_class_the_data_lacks_is_left_out() -> None:
    truth = truth_of({3: "red"}, [3])
    assert align_categories(["white", "red"], [90, 3], truth, "here") == [None, 3]


def test_a_category_without_annotations_needs_no_class() -> None:
    truth = truth_of({0: "everything", 3: "red"}, [3])
    assert align_categories(["red"], [3], truth, "here") == [3]


def test_unknown_category_is_named() -> None:
    truth = truth_of({3: "red", 4: "blue"}, [3, 4])
    with pytest.raises(DataError, match=r"here labels 'blue' \(4\).*'white', 'red'"):
        align_categories(["white", "red"], [90, 3], truth, "here")


def test_one_name_for_two_categories_cannot_be_renumbered() -> None:
    truth = truth_of({1: "red", 2: "red"}, [1, 2])
    assert align_categories(["red", "red"], [1, 2], truth, "here") == [1, 2]
    with pytest.raises(DataError, match="share a name"):
        align_categories(["red", "red"], [3, 4], truth, "here")
