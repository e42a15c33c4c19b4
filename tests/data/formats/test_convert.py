"""Sets written in another format and read again: nothing is lost that the formats can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from labelled_sets import (
    CLASSES,
    Photo,
    coco,
    paint,
    photos,
    same_objects,
    write_coco_set,
    write_json,
    write_label_studio_set,
    write_voc_set,
    write_yolo_set,
)
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.data.formats.convert import Converted, convert
from yolokit.data.locate import locate_splits
from yolokit.data.read_split import read_split
from yolokit.errors import DataError

IDS = "ids of pictures, annotations and classes, which are numbered anew"
WRITERS = {"coco": write_coco_set, "yolo": write_yolo_set, "voc": write_voc_set}


def trees(folder: Path) -> dict[str, CocoTree]:
    return {name: read_split(split) for name, split in locate_splits(folder).items()}


def to(target: Any, source: Path, folder: Path, **options: Any) -> dict[str, Converted]:
    return convert(locate_splits(source), target, folder, **options)


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_there_and_back_is_the_same_set(first: str, second: str, tmp_path: Path) -> None:
    source = WRITERS[first](tmp_path / "source")
    before = sorted(source.rglob("*"))
    there = to(second, source, tmp_path / "there")
    to(first, tmp_path / "there", tmp_path / "back")
    assert sorted(source.rglob("*")) == before
    wanted = trees(source)
    for folder in (tmp_path / "there", tmp_path / "back"):
        found = trees(folder)
        assert list(found) == list(wanted)
        for split, tree in found.items():
            assert same_objects(tree, wanted[split])
            assert [fault for fault in tree.faults if fault.level != "note"] == []
            tree.require()
    for split, each in there.items():
        assert (each.pictures, each.boxes) == (len(wanted[split].image_ids), len(wanted[split]))
        assert each.left_out == ()
        names = {"names of pictures, which are renamed"}  # VOC's splits share a folder
        assert set(each.lost) <= names | ({IDS} if first == "coco" else set())


def test_pictures_are_the_same_bytes_or_links(tmp_path: Path) -> None:
    source = write_yolo_set(tmp_path / "source")
    to("coco", source, tmp_path / "copies")
    to("coco", source, tmp_path / "links", link=True)
    for photo in photos("train"):
        original = source / "images" / "train" / photo.name
        copy = tmp_path / "copies" / "images" / "train" / photo.name
        linked = tmp_path / "links" / "images" / "train" / photo.name
        assert copy.read_bytes() == original.read_bytes()
        assert not copy.is_symlink()
        assert linked.readlink() == original


def test_the_first_label_by_hand(tmp_path: Path) -> None:
    source = write_coco_set(tmp_path / "source")
    to("yolo", source, tmp_path / "yolo")
    text = (tmp_path / "yolo/labels/train/a b.txt").read_text()
    # [10, 5, 40.5, 30.25] in 100 x 60: centre 30.25, 20.125
    assert text.splitlines()[0] == "1 0.3025 0.335416666666667 0.405 0.504166666666667"
    description = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert description == {
        "train": "images/train",
        "val": "images/val",
        "names": dict(enumerate(CLASSES)),
    }
    to("voc", source, tmp_path / "voc")
    xml = (tmp_path / "voc/Annotations/a b.xml").read_text()
    assert "<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>50.5</xmax><ymax>35.25</ymax>" in xml
    assert (tmp_path / "voc/ImageSets/Main/train.txt").read_text().startswith("a b\nempty\n")


@dataclass
class Random:
    """Made-up COCO content: hostile names, crowds, unused classes, boxes up to the edge."""

    seed: int

    def write(self, root: Path) -> None:
        rng = np.random.default_rng(self.seed)
        names = ["plain", "with space", "ünïcode 猫", "a:b", "<&>", "dash-", "no", "7", "#", "'q\""]
        kinds = rng.permutation(names)[: int(rng.integers(1, len(names)))].tolist()
        for split in ("train", "val"):
            pictures = [self._photo(rng, place, kinds) for place in range(int(rng.integers(1, 6)))]
            paint(root / "images" / split, pictures)
            content = coco(pictures, kinds)
            if rng.random() < 0.5:  # sparse ids, in another order
                for entry in content["categories"]:
                    entry["id"] = 7 * entry["id"]
                for entry in content["annotations"]:
                    entry["category_id"] *= 7
            write_json(root / "annotations" / f"instances_{split}.json", content)

    @staticmethod
    def _photo(rng: np.random.Generator, place: int, kinds: list[str]) -> Photo:
        names = ["a.b", "a b ", "groß", "図", "it's", "100%", "x,y", "#1", "1 0", "&amp;", "images"]
        height, width = rng.integers(8, 60, 2).tolist()
        objects = []
        for _ in range(int(rng.integers(0, 4))):
            decimals = int(rng.integers(0, 7))
            x, y = (float(np.floor(rng.uniform(0, side - 2))) for side in (width, height))
            x, y = (
                round(x + float(rng.random()), decimals),
                round(y + float(rng.random()), decimals),
            )
            w, h = (
                max(1.0, round(float(rng.uniform(1, s)), decimals)) for s in (width - x, height - y)
            )
            w, h = min(w, float(width - np.ceil(x))), min(h, float(height - np.ceil(y)))
            if w > 0 and h > 0:
                objects.append((int(rng.integers(len(kinds))), x, y, w, h))
        stem = f"{place}{names[int(rng.integers(len(names)))]}"
        folder = ["", "sub/", "a/b c/"][int(rng.integers(3))]
        suffix = [".png", ".JPG", ".bmp"][int(rng.integers(3))]
        turned = suffix == ".JPG" and bool(rng.random() < 0.5)
        return Photo(f"{folder}{stem}{suffix}", (height, width), objects, turned)


@pytest.mark.parametrize("target", ["yolo", "voc", "coco"])
@pytest.mark.parametrize("seed", range(12))
def test_made_up_sets_come_back_whole(target: str, seed: int, tmp_path: Path) -> None:
    Random(seed).write(tmp_path / "source")
    to(target, tmp_path / "source", tmp_path / "there")
    to("coco", tmp_path / "there", tmp_path / "back")
    for split, wanted in trees(tmp_path / "source").items():
        found = trees(tmp_path / "back")[split]
        order = {name: row for row, name in enumerate(found.file_names)}
        if target != "voc":  # whose two splits share a folder, so that names may be numbered
            assert [_trimmed(name) for name in sorted(wanted.file_names)] == sorted(order)
        assert found.category_names == wanted.category_names
        assert _by_picture(found) == _by_picture(wanted)


def _trimmed(name: str) -> str:
    return "/".join(part.strip() for part in name.split("/"))


def _by_picture(tree: CocoTree) -> list[Any]:
    """Size and objects of every picture, whatever order the pictures are in."""
    found: list[list[Any]] = [[each] for each in tree.sizes_hw.tolist()]
    for image, label, box in zip(
        tree.image_index.tolist(), tree.category_index, tree.boxes_xywh.tolist(), strict=True
    ):
        found[image].append((tree.category_names[label], box))
    return sorted(found, key=repr)


def test_what_the_new_format_has_no_place_for_is_counted(tmp_path: Path) -> None:
    content = coco(
        [Photo("a.png", (50, 60), [(0, 1, 1, 9, 9), (1, 50, 5, 20, 9), (1, 2, 2, 5, 5)])]
    )
    first, second, third = content["annotations"]
    first |= {"segmentation": [[1, 1, 9, 1, 9, 9]], "attributes": {"colour": "red"}, "area": 40}
    second |= {"keypoints": [1, 2, 2], "num_keypoints": 1}
    third["iscrowd"] = 1
    content["images"][0] |= {"license": 1, "flickr_url": "https://host/a"}
    content["categories"][0]["supercategory"] = "animal"
    content["licenses"] = [{"id": 1, "name": "CC"}]
    paint(tmp_path / "images/train", [Photo("a.png", (50, 60))])
    write_json(tmp_path / "annotations/instances_train.json", content)
    lost = to("yolo", tmp_path, tmp_path / "yolo")["train"].lost
    assert dict(lost) == {
        "parts of boxes beyond the edge": 1,
        "segmentations, of which the boxes stay": 1,
        "attributes of objects": 1,
        "keypoints": 1,
        "licences, dates and addresses of pictures": 1,
        "supercategories and skeletons of classes": 1,
        "licences": 1,
        "areas that are not width times height": 1,
        IDS: 7,
        "crowds: YOLO has none, what they cover counts as background": 1,
    }
    assert len(trees(tmp_path / "yolo")["train"]) == 2
    to("voc", tmp_path, tmp_path / "voc")
    assert trees(tmp_path / "voc")["train"].crowd.tolist() == [False, False, True]
    kept = to("coco", tmp_path, tmp_path / "coco")["train"]
    assert dict(kept.lost) == {}
    again = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    assert again == content


@pytest.mark.parametrize("target", ["coco", "yolo", "voc"])
def test_bad_annotations_are_left_out_by_name(target: str, tmp_path: Path) -> None:
    source = write_yolo_set(tmp_path / "source")
    with (source / "labels/train/a b.txt").open("a") as file:
        file.write("9 0.5 0.5 0.1 0.1\n0 0.5 0.5 nan 0.1\n0 0.5 0.5 0.1\n")
    done = to(target, source, tmp_path / "new")
    place = "labels/train/a b.txt"
    assert done["train"].left_out == (
        f"{place}:3 (of a category that the file does not list)",
        f"{place}:4 (not finite)",
        f"{place}:5 (not four numbers)",
    )
    assert len(trees(tmp_path / "new")["train"]) == done["train"].boxes == 8
    assert CocoDataset.load(locate_splits(tmp_path / "new")["train"], max_bad_boxes=0)


@pytest.mark.parametrize("target", ["coco", "yolo", "voc"])
def test_an_unsplit_set_stays_one(target: str, tmp_path: Path) -> None:
    source = write_label_studio_set(tmp_path / "export", "train")
    to(target, source, tmp_path / "new")
    (found,) = trees(tmp_path / "new").values()
    assert list(locate_splits(tmp_path / "new")) == ["all"]
    assert same_objects(found, trees(source)["all"])


def test_names_that_cannot_stay_are_made_sound(tmp_path: Path) -> None:
    """Two that differ by their suffix, one above the folder, one without a suffix, one hidden."""
    names = ["a.png", "a.bmp", "../b.png", "noend", ".hidden.png", "A.png"]
    paint(tmp_path / "images", [Photo(n, (9, 9), [(0, 1, 1, 3, 3)]) for n in names if "." in n])
    Image.new("RGB", (9, 9)).save(tmp_path / "images" / "noend", format="PNG")
    content = coco([Photo(name, (9, 9), [(0, 1, 1, 3, 3)]) for name in names])
    write_json(tmp_path / "labels.json", content)
    splits = locate_splits(tmp_path / "labels.json")
    done = convert(splits, "yolo", tmp_path / "new")
    found = sorted(path.name for path in (tmp_path / "new" / "images").iterdir())
    assert found == ["A-3.png", "_.hidden.png", "a-2.bmp", "a.png", "b.png", "noend.png"]
    assert len(trees(tmp_path / "new")["all"]) == 6
    assert done["all"].lost["names of pictures, which are renamed"] == 5


def test_missing_and_other_pictures_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    source = write_coco_set(tmp_path / "source")
    (source / "images/val/a b.jpg").unlink()
    Image.new("RGB", (3, 4)).save(source / "images/val/empty.png")
    with pytest.raises(DataError) as caught:
        to("yolo", source, tmp_path / "new")
    assert "2 of 6 pictures of" in str(caught.value)
    assert "a b.jpg (no readable picture), empty.png (is 3x4, the labels say 70x50)" in str(
        caught.value
    )
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    source = write_coco_set(tmp_path / "source")
    with pytest.raises(DataError, match="is not an empty folder"):
        to("yolo", source, source)
    (tmp_path / "empty").mkdir()
    to("yolo", source, tmp_path / "empty")
    assert list(locate_splits(tmp_path / "empty")) == ["train", "val"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bccd", "aquarium", "raccoon", "coco128"])
@pytest.mark.parametrize("target", ["yolo", "voc"])
def test_real_sets_come_back(real_root: Path, name: str, target: str, tmp_path: Path) -> None:
    source = real_root / "data" / name
    to(target, source, tmp_path / "there", link=True)
    for split, config in locate_splits(source).items():
        wanted, found = CocoDataset.load(config), trees(tmp_path / "there")[split]
        loaded = CocoDataset.of(found, locate_splits(tmp_path / "there")[split])
        kept = ~wanted.crowd if target == "yolo" else np.ones(len(wanted.boxes), dtype=bool)
        assert len(loaded.boxes) == kept.sum()
        assert sorted(map(tuple, loaded.boxes.tolist())) == sorted(
            map(tuple, wanted.boxes[kept].tolist())
        )
