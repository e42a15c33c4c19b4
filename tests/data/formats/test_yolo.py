"""YOLO's text labels as people have them, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_sets import write_text
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree, Problem
from yolokit.data.formats.yolo_labels import label_path, read_labels
from yolokit.data.locate import choose_split
from yolokit.data.read_split import read_split
from yolokit.errors import DataError

SIZE_HW = (50, 200)


def one_picture(root: Path, labels: str | bytes, names: str = "[cat, dog]") -> CocoTree:
    """The train split of a set with one picture, 200 x 50."""
    picture = root / "images" / "train" / "a.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE_HW[::-1]).save(picture)
    file = label_path(picture)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    write_text(root / "data.yaml", f"train: images/train\nnames: {names}\n")
    return read_split(choose_split(root, "train"))


def codes(tree: CocoTree) -> dict[str, Any]:
    return {fault.code: fault for fault in tree.faults}


def test_a_box_by_hand(tmp_path: Path) -> None:
    # centre 0.5 * 200 = 100, 0.4 * 50 = 20; size 0.25 * 200 = 50, 0.2 * 50 = 10
    tree = one_picture(tmp_path, "1 0.5 0.4 0.25 0.2\n")
    assert tree.boxes_xywh.tolist() == [[75.0, 15.0, 50.0, 10.0]]
    assert tree.areas.tolist() == [500.0]
    assert tree.category_index.tolist() == [1]
    assert (tree.category_ids, tree.category_names) == ((1, 2), ("cat", "dog"))
    assert tree.image_ids == (1,)
    assert tree.file_names == ("a.png",)
    assert tree.sizes_hw.tolist() == [[50, 200]]
    assert tree.faults == ()


def test_polygons_and_turned_boxes_are_their_extent_and_it_is_said(tmp_path: Path) -> None:
    triangle = "0 0.1 0.2 0.5 0.2 0.3 0.8"  # x 20..100, y 10..40
    turned = "1 0.5 0.1 0.75 0.5 0.5 0.9 0.25 0.5"  # x 50..150, y 5..45
    tree = one_picture(tmp_path, f"{triangle}\n{turned}\n")
    assert tree.boxes_xywh.tolist() == [[20.0, 10.0, 80.0, 30.0], [50.0, 5.0, 100.0, 40.0]]
    (fault,) = tree.faults
    assert fault.level == "note"
    assert fault.line == "it has 2 polygons or turned boxes. Their upright extent is the box."


def test_poses_are_read_where_the_data_yaml_announces_them(tmp_path: Path) -> None:
    pose = "0 0.5 0.5 0.5 0.5 0.1 0.1 2 0.9 0.9 1\n"
    tree = one_picture(tmp_path, pose, "[cat]\nkpt_shape: [2, 3]")
    assert tree.boxes_xywh.tolist() == [[50.0, 12.5, 100.0, 25.0]]
    assert list(codes(tree)) == ["pose"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2 0.5 0.5 0.5 0.5", Problem.UNKNOWN_CATEGORY),
        ("-1 0.5 0.5 0.5 0.5", Problem.UNKNOWN_CATEGORY),
        ("0.5 0.5 0.5 0.5 0.5", Problem.UNKNOWN_CATEGORY),
        ("0 0.5 0.5 0.5", Problem.NOT_FOUR_NUMBERS),
        ("0 0.5 0.5 0.5 0.5 0.9", Problem.NOT_FOUR_NUMBERS),
        ("cat 0.5 0.5 0.5 0.5", Problem.NOT_FOUR_NUMBERS),
        ("0,0.5,0.5,0.5,0.5", Problem.NOT_FOUR_NUMBERS),
        ("0 0.5 nan 0.5 0.5", Problem.NOT_FINITE),
        ("0 0.5 1e999 0.5 0.5", Problem.NOT_FINITE),
        ("nan 0.5 0.5 0.5 0.5", Problem.NOT_FOUR_NUMBERS),
        ("0 0.5 0.5 -0.5 0.5", Problem.NEGATIVE_SIZE),
        ("0 0.5 0.5 0 0.5", Problem.ZERO_AREA),
        ("0 1.9 0.5 0.1 0.1", Problem.OUTSIDE),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(line: str, problem: Problem, tmp_path: Path) -> None:
    good = "0 0.5 0.5 0.5 0.5\n"
    one_picture(tmp_path, f"{good}\n{line}\r\n{good}")
    split = choose_split(tmp_path, "train")
    with pytest.raises(DataError) as caught:
        CocoDataset.load(split)
    place = f"labels/train/a.txt:3 ({problem.reason})"
    assert f"1 of 3 boxes in {tmp_path / 'data.yaml'} (train) are bad: {place}" in str(caught.value)
    assert "\n" not in str(caught.value)
    dataset = CocoDataset.load(split, max_bad_boxes=0.5)
    assert len(dataset.boxes) == 2
    assert [(each.annotation_id, each.reason) for each in dataset.bad_boxes] == [
        ("labels/train/a.txt:3", problem.reason)
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_and_windows_line_ends(encoding: str, tmp_path: Path) -> None:
    text = "0 0.5 0.5 0.5 0.5\r\n\r\n1 0.25 0.5 0.5 0.5\r\n"
    tree = one_picture(tmp_path, text.encode(encoding))
    assert tree.boxes_xywh[:, 0].tolist() == [50.0, 0.0]
    assert tree.faults == ()


def test_a_label_file_that_is_no_text_stops_training_and_scoring(tmp_path: Path) -> None:
    fault = codes(one_picture(tmp_path, b"\xff\xd8\xff\xe0"))["label-file"]
    assert fault.level == "error"
    assert fault.stops_scoring
    assert "labels/train/a.txt" in fault.line


def test_pixels_are_no_fractions(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, "0 100 25 40 20\n1 20 20 10 10\n")
    assert "2 of 2 boxes in pixels" in codes(tree)["pixels"].line
    with pytest.raises(DataError, match="divide x and width by the picture's width"):
        tree.require()


def test_pictures_without_labels_are_background_unless_all_are(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, "")
    assert (len(tree), tree.faults) == (0, ())
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "train" / "b.png")
    tree = one_picture(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    assert tree.file_names == ("a.png", "b.png")
    assert codes(tree)["unlabelled"].level == "note"
    (tmp_path / "labels" / "train" / "a.txt").unlink()
    tree = read_split(choose_split(tmp_path, "train"))
    with pytest.raises(DataError, match=r"no label file for any of its 2 pictures.*labels/a.txt"):
        tree.require()


def test_labels_without_a_picture_and_pictures_of_one_name(tmp_path: Path) -> None:
    one_picture(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "labels" / "train" / "gone.txt", "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "labels" / "train" / "readme.txt", "labels of us\n")
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "train" / "a.bmp")
    found = codes(read_split(choose_split(tmp_path, "train")))
    assert found["no-picture"].cases == ("labels/train/gone.txt",)
    assert found["no-picture"].level == "warning"
    assert found["shared-labels"].count == 1
    assert set(found) == {"no-picture", "shared-labels"}


def test_a_count_that_is_not_that_of_the_names_is_a_warning(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, "", "[cat, dog]\nnc: 3")
    assert codes(tree)["class-count"].line.startswith("it states nc 3 and names 2 classes")


def test_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, "", "[yes, 'no']")
    with pytest.raises(DataError, match=r"class 0\. Name each in plain text; in YAML put yes"):
        tree.require()
    assert tree.category_names == ("class 0", "no")


def test_numbers_of_classes_may_have_gaps(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, "7 0.5 0.5 0.5 0.5\n3 0.5 0.5 0.5 0.5\n", "{7: dog, 0: cat}")
    assert (tree.category_ids, tree.category_names) == ((1, 8), ("cat", "dog"))
    assert tree.category_index.tolist() == [1, -1]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("images/gone", r"data.yaml: no folder at .*images/gone. Correct its paths"),
        ("/gone/images", r"no folder at /gone/images"),
        ("gone.txt", r"cannot read the list .*gone.txt"),
        ("web.txt", r"web.txt:2 is an address, https://host/b.jpg. Download"),
    ],
)
def test_paths_that_are_not_there_are_one_line(train: str, message: str, tmp_path: Path) -> None:
    write_text(tmp_path / "web.txt", "a.jpg\nhttps://host/b.jpg\n")
    write_text(tmp_path / "data.yaml", f"train: {train}\nnames: [cat]\n")
    with pytest.raises(DataError, match=message) as caught:
        read_split(choose_split(tmp_path, "train"))
    assert "\n" not in str(caught.value)


def test_only_the_last_images_folder_becomes_labels() -> None:
    assert label_path(Path("/images/x/images/a/b.c.jpg")) == Path("/images/x/labels/a/b.c.txt")
    assert label_path(Path("/x/images.jpg")) == Path("/x/images.txt")


def test_reading_is_exact_for_decimals() -> None:
    """A box of up to nine decimals comes back to the last bit, whatever the picture's size."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        size_hw = tuple(rng.integers(1, 9000, 2).tolist())
        w, h = (round(float(rng.uniform(0.01, side)), int(rng.integers(0, 9))) for side in size_hw)
        x, y = round(float(rng.uniform(0, 50)), 9), float(rng.integers(0, 50))
        shares = (x + h / 2) / size_hw[1], (y + w / 2) / size_hw[0], h / size_hw[1], w / size_hw[0]
        line = " ".join(f"{share:.15f}" for share in shares)
        (label,) = read_labels(f"0 {line}", size_hw, {0: 0}).labels
        assert label.box_xywh is not None
        assert np.round(label.box_xywh, 9).tolist() == [x, y, h, w]


@pytest.mark.parametrize("name", ["n" * 5000, "a\\0b", "/" + "d/" * 3000, "x.txt\\0"])
def test_paths_that_no_system_takes_are_one_line(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / "list.txt", f"{name}\n\0\n")
    for text in (f'train: "{name}"', "train: list.txt", f'path: "{name}"\ntrain: list.txt'):
        write_text(tmp_path / "data.yaml", f"{text}\nnames: [cat]\n")
        try:
            read_split(choose_split(tmp_path, "train")).require()
        except DataError as error:
            assert "\n" not in str(error)
