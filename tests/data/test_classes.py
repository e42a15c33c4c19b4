"""Classes of a model against categories of a data set."""

from __future__ import annotations

from typing import Any

import pytest

from yolokit.data.classes import align_categories, class_table
from yolokit.data.coco_file import tree_of
from yolokit.data.coco_tree import CocoTree
from yolokit.errors import DataError


def truth_of(categories: dict[int, str], used: list[int]) -> CocoTree:
    content: dict[str, Any] = {
        "images": [],
        "categories": [{"id": each, "name": name} for each, name in categories.items()],
        "annotations": [{"category_id": each} for each in used],
    }
    return tree_of(content, "here")


def test_same_table() -> None:
    truth = truth_of({3: "red", 90: "white"}, [3, 90])
    assert align_categories(["white", "red"], [90, 3], truth) == [90, 3]


def test_same_names_numbered_anew() -> None:
    truth = truth_of({1: "white", 0: "red"}, [0, 1])
    assert align_categories(["white", "red"], [90, 3], truth) == [1, 0]


def test_swapped_ids_go_by_name() -> None:
    truth = truth_of({1: "white", 2: "red"}, [1, 2])
    assert align_categories(["red", "white"], [1, 2], truth) == [2, 1]


def test_a_class_the_data_lacks_is_left_out() -> None:
    truth = truth_of({3: "red"}, [3])
    assert align_categories(["white", "red"], [90, 3], truth) == [None, 3]


def test_a_category_without_annotations_needs_no_class() -> None:
    truth = truth_of({0: "everything", 3: "red"}, [3])
    assert align_categories(["red"], [3], truth) == [3]


def test_unknown_category_is_named() -> None:
    truth = truth_of({3: "red", 4: "blue"}, [3, 4])
    with pytest.raises(DataError, match=r"here labels 'blue' \(4\).*'white', 'red'"):
        align_categories(["white", "red"], [90, 3], truth)


@pytest.mark.parametrize("name", ["cafe\u0301 noir", " caf\u00e9 noir", "caf\u00e9  noir\n"])
def test_how_a_name_is_coded_and_spaced_makes_no_other_class(name: str) -> None:
    truth = truth_of({1: "red", 2: name}, [1, 2])
    assert align_categories(["caf\u00e9 noir", "red"], [90, 3], truth) == [2, 1]
    assert align_categories([name, "red"], [90, 3], truth) == [2, 1]


def test_capital_letters_make_another_class_and_are_told() -> None:
    truth = truth_of({1: "Red", 2: "WHITE"}, [1, 2])
    with pytest.raises(DataError, match=r"'Red' \(1\), 'WHITE' \(2\).*same capital letters"):
        align_categories(["white", "red"], [90, 3], truth)


def test_one_name_for_two_categories_cannot_be_renumbered() -> None:
    truth = truth_of({1: "red", 2: "red"}, [1, 2])
    assert align_categories(["red", "red"], [1, 2], truth) == [1, 2]
    with pytest.raises(DataError, match="share a name"):
        align_categories(["red", "red"], [3, 4], truth)


def test_a_root_that_shares_its_childs_name_is_no_class() -> None:
    content = {
        "images": [],
        "annotations": [{"category_id": 1}],
        "categories": [
            {"id": 0, "name": "raccoon", "supercategory": "none"},
            {"id": 1, "name": "raccoon", "supercategory": "raccoon"},
        ],
    }
    assert class_table(tree_of(content)) == ((1,), ("raccoon",))
    without = tree_of({**content, "annotations": []})
    assert class_table(without) == ((1,), ("raccoon",))  # the child, not its parent
    assert align_categories(["raccoon"], [1], without) == [1]


def test_fewer_categories_numbered_anew() -> None:
    assert align_categories(["cat", "dog"], [1, 2], truth_of({7: "dog"}, [7])) == [None, 7]


def test_an_unlearnt_class_is_left_out_where_nothing_is_scored() -> None:
    truth = truth_of({1: "blue", 2: "red"}, [1, 2])
    assert align_categories(["red"], [5], truth, strict=False) == [2]
