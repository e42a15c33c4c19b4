"""Wide pictures of small objects: their boxes lie where the objects do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from panorama_set import HEIGHT, IN_A_ROW, SHRUNKEN_TO, WIDTH, write_split

from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.data.locate import choose_split
from yolokit.sections import SplitConfig


def test_boxes_follow_their_pictures(pair_of_pictures: Path, tmp_path: Path) -> None:
    source = CocoDataset.load(choose_split(pair_of_pictures, "train"))
    tree = write_split(source, tmp_path / "wide", 3)
    (tmp_path / "wide.json").write_text(json.dumps(tree))
    written = SplitConfig(images=tmp_path / "wide", annotations=tmp_path / "wide.json")
    wide = CocoDataset.load(written, max_bad_boxes=0.0)
    assert (wide.category_ids, wide.class_names) == (source.category_ids, source.class_names)
    assert wide.sizes_hw.tolist() == [[HEIGHT, WIDTH]] * 3
    assert 0 < len(wide.boxes) <= 3 * IN_A_ROW * 2  # the group is left out
    sides = wide.boxes[:, 2:] - wide.boxes[:, :2]
    expected = {"seven": (50, 30), "three": (50, 50)}  # of 200 pixels; one is cut at the edge
    for label, name in enumerate(wide.class_names):
        size = np.array(expected[name]) * SHRUNKEN_TO / 200
        assert np.abs(sides[wide.labels == label] - size).max() < 0.01
    for index, box in zip(wide.box_owners, wide.boxes.round().astype(int), strict=True):
        picture = read_image(wide.image_path(int(index)))
        inside = picture[box[1] + 2 : box[3] - 2, box[0] + 2 : box[2] - 2]
        assert inside.std() < 4  # the plain grey of the source, not the noise around it


def test_equal_arguments_give_equal_bytes(pair_of_pictures: Path, tmp_path: Path) -> None:
    source = CocoDataset.load(choose_split(pair_of_pictures, "train"))
    for folder in ("a", "b"):
        write_split(source, tmp_path / folder / "train", 2)
    first, second = (tmp_path / folder / "train" / "000002.jpg" for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
