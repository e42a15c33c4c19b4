"""The truth that the contestants get: yolokit's split names, plain numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from list_sets import describe
from sets import Box, Set, read_sets, read_truth, read_truths

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split


@pytest.fixture
def pair(pair_of_pictures: Path, tmp_path: Path) -> Set:
    file = tmp_path / "sets.json"
    file.write_text(json.dumps({"pair": describe(pair_of_pictures)}))
    return read_sets(file)["pair"]


def test_a_listed_set_is_read_back(pair: Set, pair_of_pictures: Path) -> None:
    assert pair.data == pair_of_pictures.resolve()
    assert list(pair.splits) == ["train", "val"]
    dataset = CocoDataset.load(choose_split(pair_of_pictures, "val"))
    assert pair.fingerprints["val"] == dataset.fingerprint
    assert pair.splits["val"].annotations.is_file()


def test_boxes_are_clipped_and_crowds_left_out(pair: Set) -> None:
    truth = read_truth(pair.splits["train"])
    assert (truth.category_ids, truth.class_names) == ((3, 7), ("three", "seven"))
    with_boxes, without = truth.pictures
    assert with_boxes.boxes == (Box(1, 20, 10, 70, 40), Box(0, 150, 50, 200, 100))
    assert (with_boxes.image_id, without.image_id, without.boxes) == (41, 5, ())
    assert with_boxes.file.is_file()


def test_boxes_agree_with_what_yolokit_trains_on(pair: Set, pair_of_pictures: Path) -> None:
    dataset = CocoDataset.load(choose_split(pair_of_pictures, "train"))
    boxes, labels, crowd = dataset.truth(0)
    ours = [
        (int(n), *map(float, box)) for n, box in zip(labels[~crowd], boxes[~crowd], strict=True)
    ]
    assert ours == [tuple(box) for box in read_truth(pair.splits["train"]).pictures[0].boxes]


@pytest.mark.parametrize("bbox", [[10, 10, 0, 5], [300, 10, 5, 5], [10, 10, 5, -5]])
def test_boxes_without_area_in_the_picture_are_dropped(pair: Set, bbox: list[float]) -> None:
    file = pair.splits["train"].annotations
    tree = json.loads(file.read_text())
    tree["annotations"][0]["bbox"] = bbox
    file.write_text(json.dumps(tree))
    assert len(read_truth(pair.splits["train"]).pictures[0].boxes) == 1


def test_splits_must_agree_on_their_categories(pair: Set) -> None:
    assert list(read_truths(pair, ("train", "val"))) == ["train", "val"]
    file = pair.splits["val"].annotations
    tree = json.loads(file.read_text())
    tree["categories"][0]["name"] = "another"
    file.write_text(json.dumps(tree))
    with pytest.raises(SystemExit, match="pair differ"):
        read_truths(pair, ("train", "val"))
