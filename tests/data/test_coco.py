"""Reading COCO files: ids mapped, bad boxes set aside, faults named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolokit.data.classes import ClassTable
from yolokit.data.coco import BadBox, CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.errors import DataError
from yolokit.sections import SplitConfig


def box(annotation_id: int, bbox: Any, image: int = 1, category: int = 1, **more: Any) -> Any:
    return {
        "id": annotation_id,
        "image_id": image,
        "category_id": category,
        "bbox": bbox,
        **more,
    }


GOOD = [box(1000 + number, [10, 10, 20, 20]) for number in range(100)]


@pytest.mark.parametrize("ids", [[0, 1, 2], [90, 3, 17], [2, 1, 0], [-5, 10**12, 0]], ids=str)
def test_category_ids_are_mapped_by_one_table(write_split: Any, ids: list[int]) -> None:
    categories = [{"id": each, "name": f"name {each}"} for each in ids]
    annotations = [box(number, [1, 2, 3, 4], category=each) for number, each in enumerate(ids)]
    data = CocoDataset.load(write_split(annotations, categories=categories))
    assert list(data.category_ids) == sorted(ids)
    assert list(data.class_names) == [f"name {each}" for each in sorted(ids)]
    assert [data.category_ids[label] for label in data.truth(0).labels] == ids  # and back


def test_boxes_are_xyxy_and_grouped_by_picture_in_file_order(write_split: Any) -> None:
    images = [
        {"id": image_id, "file_name": f"{image_id}.png", "width": 100, "height": 50}
        for image_id in (30, 10, 20)
    ]
    annotations = [
        box(1, [1, 2, 3, 4], image=20),
        box(2, [5, 6, 7, 8], image=30),
        box(3, [9, 10, 11, 12], image=20, iscrowd=1),
    ]
    data = CocoDataset.load(write_split(annotations, images))
    assert len(data) == 3
    assert data.image_ids.tolist() == [30, 10, 20]
    assert data.truth(0).boxes.tolist() == [[5, 6, 12, 14]]  # 5 + 7, 6 + 8
    assert data.truth(1).boxes.shape == (0, 4)  # a picture without boxes stays
    assert data.truth(2).boxes.tolist() == [[1, 2, 4, 6], [9, 10, 20, 22]]
    assert data.truth(2).crowd.tolist() == [False, True]
    assert [data.tree.annotation_id(row) for row in data.annotation_rows] == [2, 1, 3]
    assert [path.name for path in data.image_paths] == ["30.png", "10.png", "20.png"]


def test_truth_is_flat_and_cannot_be_changed(write_split: Any) -> None:
    data = CocoDataset.load(write_split([box(1, [1, 2, 3, 4])]))
    boxes, labels, crowd = data.truth(0)
    assert (boxes.dtype, labels.dtype, crowd.dtype) == (np.float32, np.int64, np.bool_)
    with pytest.raises(ValueError, match="read-only"):
        boxes[0, 0] = 5


@pytest.mark.parametrize(
    ("bbox", "reason"),
    [
        ([10, 10, 0, 5], "zero area"),
        ([10, 10, 5, 0.0], "zero area"),
        ([10, 10, -5, 5], "negative size"),
        ([math.nan, 10, 5, 5], "not finite"),
        ([10, 10, math.inf, 5], "not finite"),
        ([10, 10, 10**400, 5], "not finite"),
        ([100, 10, 5, 5], "outside the picture"),  # begins where the 100 px wide picture ends
        ([-5, 10, 5, 5], "outside the picture"),
        ([10, 60, 5, 5], "outside the picture"),
        ([99.9999999, 10, 5, 5], "zero area"),  # 100 in float32
        ([10, 10, 5], "not four numbers"),
        ([10, 10, "5", 5], "not four numbers"),
        ([], "not four numbers"),
        (None, "no bbox"),
    ],
)
def test_a_bad_box_is_dropped_and_reported_by_id(write_split: Any, bbox: Any, reason: str) -> None:
    data = CocoDataset.load(write_split([*GOOD, box(7, bbox)]))
    assert data.bad_boxes == (BadBox(annotation_id=7, image_id=1, reason=reason),)
    assert len(data) == 1
    assert data.truth(0).boxes.tolist() == [[10, 10, 30, 30]] * 100


def test_a_box_partly_outside_is_clipped_and_not_bad(write_split: Any) -> None:
    data = CocoDataset.load(write_split([box(1, [-10, 40, 30, 30]), box(2, [0, 0, 1e9, 1e9])]))
    assert data.bad_boxes == ()
    assert data.truth(0).boxes.tolist() == [[0, 40, 20, 50], [0, 0, 100, 50]]


def test_too_many_bad_boxes_are_an_error_that_says_how_to_allow_them(write_split: Any) -> None:
    bad = [box(number, [0, 0, 0, 0]) for number in range(7)]
    split = write_split([*GOOD[:93], *bad])  # 7 of 100
    with pytest.raises(DataError) as caught:
        CocoDataset.load(split)
    message = str(caught.value)
    assert "7 of 100 boxes" in message
    assert "0 (zero area), 1 (zero area)" in message
    assert "-o data.max_bad_boxes=0.07" in message
    assert "\n" not in message
    assert len(CocoDataset.load(split, max_bad_boxes=0.07).bad_boxes) == 7
    exactly_allowed = write_split([*GOOD[:95], *bad[:5]])
    assert len(CocoDataset.load(exactly_allowed).bad_boxes) == 5


def test_the_share_in_the_message_is_enough(write_split: Any) -> None:
    split = write_split([*GOOD[:2], box(1, [0, 0, 0, 0])])  # a third
    with pytest.raises(DataError) as caught:
        CocoDataset.load(split)
    share = float(str(caught.value).rpartition("=")[2])
    assert len(CocoDataset.load(split, max_bad_boxes=share).bad_boxes) == 1


IMAGE = {"id": 1, "file_name": "a.png", "width": 100, "height": 50}
CAT = {"id": 1, "name": "cat"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"annotations": [box(5, [1, 1, 1, 1], image=9)]}, "5 .of an image that .* not list"),
        ({"annotations": [box(5, [1, 1, 1, 1], category=9)]}, "5 .of a category that .* not list"),
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 1}]}, "annotation 5 .no bbox"),
        ({"annotations": [{"id": 5, "bbox": []}]}, "annotation 5 .of an image that"),
        ({"annotations": [{"bbox": []}]}, r"annotation \[0\]"),
        ({"annotations": [box("x", [])]}, "annotation x .not four numbers"),
        ({"annotations": [3]}, r"annotation \[0\] .not an object"),
        ({"images": [IMAGE, IMAGE]}, r"1 image ids are used more than once: id 1 of images\[1\]"),
        ({"images": [{"id": 1, "width": 5, "height": 5}]}, "no usable file_name: image 1"),
        ({"images": [{**IMAGE, "id": None}]}, r"images\[0\] has id null"),
        ({"images": [7]}, r"not objects: images\[0\]"),
        ({"images": []}, "no images"),
        ({"categories": []}, "no categories"),
        ({"categories": [{"id": 1}]}, "no usable name: category 1"),
        ({"categories": [CAT, {"id": 1, "name": "dog"}]}, "category ids .* id 1 of categories"),
        ({"categories": [{"id": "cat", "name": "cat"}]}, 'has id "cat"'),
        (
            {
                "categories": [CAT, {"id": 2, "name": "cat"}],
                "annotations": [box(1, [1, 1, 5, 5]), box(2, [9, 9, 5, 5], category=2)],
            },
            "2 categories are named 'cat', and 2 have annotations",
        ),
    ],
)
def test_a_malformed_entry_is_named(write_split: Any, parts: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        CocoDataset.load(write_split(**parts))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object"),
        ("{}", "no list 'images'"),
        ('{"images": [], "annotations": {}}', "no list 'annotations'"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_file_that_is_not_coco_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        CocoDataset.load(SplitConfig(images=tmp_path, annotations=path))


def test_a_missing_or_binary_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gone.json"
    with pytest.raises(DataError, match=r"no annotation file at .*gone\.json"):
        CocoDataset.load(SplitConfig(images=tmp_path, annotations=path))
    path.write_bytes(b"\xff\xfe\xfd" * 100)
    with pytest.raises(DataError, match="not valid JSON"):
        CocoDataset.load(SplitConfig(images=tmp_path, annotations=path))


def test_a_byte_order_mark_is_harmless(write_split: Any) -> None:
    split = write_split([box(1, [1, 2, 3, 4])])
    split.annotations.write_bytes(b"\xef\xbb\xbf" + split.annotations.read_bytes())
    assert len(CocoDataset.load(split).boxes) == 1


def test_labels_align_to_a_given_table(write_split: Any) -> None:
    split = write_split(
        [box(1, [1, 2, 3, 4], category=8), box(2, [1, 2, 3, 4], category=2)],
        categories=[{"id": 2, "name": "two"}, {"id": 8, "name": "eight"}, {"id": 9, "name": "n"}],
    )
    table = ClassTable((5, 8, 2), ("five", "eight", "two"))
    data = CocoDataset.load(split, classes=table)  # 9 has no box: harmless
    assert data.truth(0).labels.tolist() == [1, 2]
    assert data.class_names == ("five", "eight", "two")
    assert (data.category_ids, data.own_ids) == ((5, 8, 2), (None, 8, 2))
    renumbered = CocoDataset.load(split, classes=ClassTable((1, 2), ("two", "eight")))
    assert renumbered.truth(0).labels.tolist() == [1, 0]
    assert (renumbered.category_ids, renumbered.own_ids) == ((1, 2), (2, 8))
    with pytest.raises(DataError, match=r"labels 'eight' .8., which the training set"):
        CocoDataset.load(split, classes=ClassTable((2,), ("two",)))


def test_fingerprint_follows_the_content(write_split: Any) -> None:
    def fingerprint(**parts: Any) -> str:
        return CocoDataset.load(write_split(**parts), max_bad_boxes=1).fingerprint

    base = fingerprint(annotations=[box(1, [1, 2, 3, 4])])
    assert len(base) == 64
    assert fingerprint(annotations=[box(1, [1, 2, 3, 4])]) == base
    assert fingerprint(annotations=[box(1, [1, 2, 3, 4]), box(2, [0, 0, 0, 0])]) == base
    others = [
        fingerprint(annotations=[box(1, [1, 2, 3, 5])]),
        fingerprint(annotations=[box(1, [1, 2, 3, 4], iscrowd=1)]),
        fingerprint(annotations=[box(1, [1, 2, 3, 4])], images=[{**IMAGE, "file_name": "b"}]),
        fingerprint(annotations=[box(1, [1, 2, 3, 4])], categories=[{"id": 1, "name": "dog"}]),
    ]
    assert len({base, *others}) == 5


def test_boxes_agree_with_pycocotools(
    painted_split: Callable[..., SplitConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools.coco import COCO

    split = painted_split(6, crowd_in=2, empty=4)
    oracle = COCO(str(split.annotations))
    capsys.readouterr()  # it prints
    data = CocoDataset.load(split)
    assert sorted(oracle.getCatIds()) == list(data.category_ids)
    for index, image_id in enumerate(data.image_ids.tolist()):
        rows = oracle.loadAnns(oracle.getAnnIds(imgIds=[image_id]))
        boxes, labels, crowd = data.truth(index)
        expected = [[x, y, x + w, y + h] for x, y, w, h in (row["bbox"] for row in rows)]
        assert boxes.tolist() == expected
        assert [data.category_ids[label] for label in labels] == [r["category_id"] for r in rows]
        assert crowd.tolist() == [bool(row["iscrowd"]) for row in rows]


REAL_SETS = {  # images of train, val, test; boxes with the bad ones; classes; bad boxes
    "bccd": ((205, 87, 72), 4888, 3, 2),
    "aquarium": ((448, 127, 63), 4814, 7, 0),
    "raccoon": ((140, 20, 40), 217, 1, 0),
    "coco128": ((112, 16, 128), 1827, 80, 0),
}


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_sets_load_with_the_published_counts(real_root: Path, name: str) -> None:
    images, boxes, classes, bad = REAL_SETS[name]
    splits = locate_splits(real_root / "data" / name)
    assert list(splits) == ["train", "val", "test"]
    loaded = [CocoDataset.load(split) for split in splits.values()]
    assert tuple(len(data) for data in loaded) == images
    assert sum(len(data.bad_boxes) for data in loaded) == bad
    assert sum(len(data.boxes) + len(data.bad_boxes) for data in loaded) == boxes
    assert {len(data.class_names) for data in loaded} == {classes}
    assert len({data.category_ids for data in loaded}) == 1
    for data in loaded:
        limit = np.repeat(data.sizes_hw[:, ::-1], np.diff(data.box_offsets), axis=0)
        assert (data.boxes[:, :2] >= 0).all()
        assert (data.boxes[:, 2:] <= limit).all()
        assert (data.boxes[:, 2:] > data.boxes[:, :2]).all()
        assert json.loads(data.annotations.read_text())["images"][0]["id"] == data.image_ids[0]
