"""One set in every format: the same pictures, objects, training samples and truth to score by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_sets import (
    CLASSES,
    coco,
    paint,
    photos,
    same_objects,
    write_coco_set,
    write_cvat_set,
    write_json,
    write_label_studio_set,
    write_text,
    write_voc_set,
    write_yolo_set,
    yolo_lines,
)

from yolokit.cli.main import main
from yolokit.data.augment import Augmenter
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.data.loading import DetectionDataset, collate
from yolokit.data.locate import choose_split, locate_splits
from yolokit.data.read_split import read_split
from yolokit.errors import DataError
from yolokit.sections import ResolvedAugment
from yolokit.types import Batch


def write_roboflow_set(root: Path) -> Path:
    """train/images and train/labels; paths that begin with ../, as its data.yaml has them."""
    for split, folder in (("train", "train"), ("val", "valid")):
        paint(root / folder / "images", photos(split))
        for photo in photos(split):
            stem = photo.name.rpartition(".")[0]
            write_text(root / folder / "labels" / f"{stem}.txt", yolo_lines(photo))
    write_text(
        root / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        f"nc: 3\nnames: {list(CLASSES)}\n\nroboflow:\n  workspace: us\n",
    )
    return root


def write_listed_yolo_set(root: Path) -> Path:
    """Pictures named by files of paths, one relative, one absolute; Windows line ends."""
    write_yolo_set(root)
    names = {split: [photo.name for photo in photos(split)] for split in ("train", "val")}
    train = "".join(f"./images/train/{name}\r\n" for name in names["train"])
    val = "".join(f"{root / 'images' / 'val' / name}\n" for name in names["val"])
    write_text(root / "train.txt", "\ufeff" + train)
    write_text(root / "lists" / "v.txt", val)
    write_text(
        root / "data.yaml",
        f"names: {list(CLASSES)}\npath: {root}\nval: [lists/v.txt]\ntrain: train.txt\n",
    )
    return root


def write_named_yolo_set(root: Path) -> Path:
    """No data.yaml: a list of class names beside images and labels."""
    write_yolo_set(root)
    (root / "data.yaml").unlink()
    write_text(root / "classes.txt", "".join(f"{name}\r\n" for name in CLASSES))
    return root


def write_cvat_yolo_set(root: Path) -> Path:
    """CVAT's YOLO 1.1: obj.names, and lists whose paths begin with a folder that is not there."""
    for split in ("train", "val"):
        folder = f"obj_{split}_data"
        paint(root / folder, photos(split))
        for photo in photos(split):
            stem = photo.name.rpartition(".")[0]
            write_text(root / folder / f"{stem}.txt", yolo_lines(photo))
        lines = "".join(f"data/{folder}/{photo.name}\n" for photo in photos(split))
        write_text(root / f"{split}.txt", lines)
    write_text(root / "obj.names", "".join(f"{name}\n" for name in CLASSES))
    write_text(root / "obj.data", "classes = 3\nnames = data/obj.names\ntrain = data/train.txt\n")
    return root


def write_darknet_set(root: Path) -> Path:
    """Roboflow's Darknet export: labels beside the pictures, class names in each folder."""
    for split, folder in (("train", "train"), ("val", "valid")):
        paint(root / folder, photos(split))
        for photo in photos(split):
            stem = photo.name.rpartition(".")[0]
            write_text(root / folder / f"{stem}.txt", yolo_lines(photo))
        write_text(root / folder / "_darknet.labels", "\n".join(CLASSES))
    return root


FORMATS: dict[str, Callable[[Path], Path]] = {
    "coco": write_coco_set,
    "yolo": write_yolo_set,
    "roboflow": write_roboflow_set,
    "lists": write_listed_yolo_set,
    "classes.txt": write_named_yolo_set,
    "cvat yolo": write_cvat_yolo_set,
    "darknet": write_darknet_set,
    "voc": write_voc_set,
    "cvat": write_cvat_set,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco_set(tmp_path_factory.mktemp("coco"))


def tree_of(path: Path, split: str) -> CocoTree:
    return read_split(choose_split(path, split))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_holds_the_same_objects(kind: str, plain: Path, tmp_path: Path) -> None:
    folder = FORMATS[kind](tmp_path / "set")
    before = sorted(folder.rglob("*"))
    assert list(locate_splits(folder)) == ["train", "val"]
    for split in ("train", "val"):
        found, wanted = tree_of(folder, split), tree_of(plain, split)
        assert same_objects(found, wanted)
        assert [name.rpartition("/")[2] for name in found.file_names] == list(wanted.file_names)
        assert not [fault for fault in found.faults if fault.level != "note"]
        found.require()
    assert sorted(folder.rglob("*")) == before  # nothing is written there


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_trains_on_the_same_numbers(kind: str, plain: Path, tmp_path: Path) -> None:
    folder = FORMATS[kind](tmp_path / "set")
    for split in ("train", "val"):
        found = CocoDataset.load(choose_split(folder, split))
        wanted = CocoDataset.load(choose_split(plain, split))
        for name in ("boxes", "labels", "crowd", "box_offsets", "sizes_hw", "image_ids"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
        assert found.classes == wanted.classes
        assert all(path.is_file() for path in found.image_paths)
        if kind in ("yolo", "roboflow", "classes.txt", "cvat"):  # named alike as well
            assert found.fingerprint == wanted.fingerprint


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_label_studio_export_is_the_same_unsplit_set(
    split: str, plain: Path, tmp_path: Path
) -> None:
    folder = write_label_studio_set(tmp_path / "export", split)
    assert list(locate_splits(folder)) == ["all"]
    for path in (folder, folder / "result.json"):
        assert same_objects(tree_of(path, split), tree_of(plain, split))
    dataset = CocoDataset.load(choose_split(folder, "val"))
    assert all(path.is_file() for path in dataset.image_paths)


def test_one_coco_file_by_itself_is_whatever_split_is_asked_for(
    plain: Path, tmp_path: Path
) -> None:
    paint(tmp_path / "images", photos("val"))
    file = write_json(tmp_path / "labels.json", coco(photos("val")))
    for split in ("train", "val", "test"):
        assert choose_split(file, split).images == tmp_path / "images"
        assert same_objects(tree_of(file, split), tree_of(plain, "val"))


def test_a_coco_file_without_pictures_beside_it_says_where_to_put_them(tmp_path: Path) -> None:
    file = write_json(tmp_path / "labels.json", coco(photos("val")))
    with pytest.raises(DataError, match=r"no pictures of .*labels.json beside it. Put them into"):
        locate_splits(file)


def test_a_folder_of_yolo_labels_without_splits(plain: Path, tmp_path: Path) -> None:
    paint(tmp_path, photos("val"))
    for photo in photos("val"):
        write_text(tmp_path / f"{photo.name.rpartition('.')[0]}.txt", yolo_lines(photo))
    write_text(tmp_path / "classes.txt", "\n".join(CLASSES))
    assert list(locate_splits(tmp_path)) == ["all"]
    assert same_objects(tree_of(tmp_path, "val"), tree_of(plain, "val"))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_feeds_the_network_the_same_tensors(
    kind: str, plain: Path, tmp_path: Path
) -> None:
    def batch(folder: Path) -> Batch:
        data = CocoDataset.load(choose_split(folder, "train"))
        settings = ResolvedAugment(mosaic=0.5, crop=0.5, vflip=0.5, hue=0.1)
        dataset = DetectionDataset(data, (64, 96), augmenter=Augmenter(settings, (64, 96)), seed=1)
        return collate([dataset[0, index] for index in range(len(dataset))])

    found, wanted = batch(FORMATS[kind](tmp_path / "set")), batch(plain)
    assert torch.equal(found.images, wanted.images)
    for one, other in zip(found.truths, wanted.truths, strict=True):
        assert torch.equal(one.boxes, other.boxes)
        assert torch.equal(one.labels, other.labels)


def test_unsplit_sets_are_shared_out_alike_whatever_their_format(tmp_path: Path) -> None:
    """A COCO file by itself, Label Studio's export of the same, and its YOLO form."""
    paint(tmp_path / "coco" / "images", photos("train"))
    alone = write_json(tmp_path / "coco" / "labels.json", coco(photos("train")))
    export = write_label_studio_set(tmp_path / "export", "train")
    assert main(["data", "convert", str(alone), str(tmp_path / "yolo"), "--to", "yolo"]) == 0
    found = []
    for source in (alone, export, tmp_path / "yolo"):
        folder = tmp_path / f"{source.stem}-split"
        options = ["--val", "0.34", "--test", "0", "--group-by", "none"]
        assert main(["data", "split", str(source), str(folder), *options]) == 0
        found.append(folder)
    for split in ("train", "val"):
        wanted = tree_of(found[0], split)
        assert all(same_objects(tree_of(folder, split), wanted) for folder in found)
        for folder in found:
            dataset = CocoDataset.load(choose_split(folder, split))
            assert all(path.is_file() for path in dataset.image_paths)
