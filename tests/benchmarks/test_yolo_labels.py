"""COCO truth as YOLO's text labels, and back by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from list_sets import describe
from sets import Split, Truth, read_truth
from yolo_labels import image_id_of, write_yolo_set


@pytest.fixture
def truth(pair_of_pictures: Path) -> Truth:
    paths = describe(pair_of_pictures)["splits"]["train"]
    return read_truth(
        Split(images=Path(paths["images"]), annotations=Path(paths["annotations"]), fingerprint="")
    )


def test_boxes_come_back_from_the_labels(truth: Truth, tmp_path: Path) -> None:
    write_yolo_set({"train": truth, "val": truth}, tmp_path / "yolo")
    for picture in truth.pictures:
        file = tmp_path / "yolo" / "labels" / "val" / f"{picture.image_id:012d}.txt"
        found = [tuple(map(float, line.split())) for line in file.read_text().splitlines()]
        assert len(found) == len(picture.boxes)  # 2, and an empty file
        for (label, cx, cy, w, h), box in zip(found, picture.boxes, strict=True):
            corners = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
            scale = (picture.width, picture.height) * 2
            pixels = [c * s for c, s in zip(corners, scale, strict=True)]
            assert [label, *pixels] == pytest.approx(box, abs=1e-5)
            assert all(0 <= value <= 1 for value in (cx, cy, w, h))


def test_the_first_label_by_hand(truth: Truth, tmp_path: Path) -> None:
    write_yolo_set({"train": truth}, tmp_path / "yolo")
    text = (tmp_path / "yolo" / "labels" / "train" / "000000000041.txt").read_text()
    # [20, 10, 70, 40] in 200 x 100: centre 45, 25; size 50 x 30
    assert text.splitlines()[0] == "1 0.22500000 0.25000000 0.25000000 0.30000000"


def test_pictures_are_copies_named_by_id(truth: Truth, tmp_path: Path) -> None:
    file = write_yolo_set({"train": truth, "val": truth}, tmp_path / "yolo")
    copies = sorted((tmp_path / "yolo" / "images" / "train").iterdir())
    assert [copy.name for copy in copies] == ["000000000005.png", "000000000041.jpg"]
    assert [image_id_of(copy.name) for copy in copies] == [5, 41]
    assert not any(copy.is_symlink() for copy in copies)
    assert copies[1].read_bytes() == truth.pictures[0].file.read_bytes()
    description = yaml.safe_load(file.read_text())
    # JSON has text keys only
    assert {int(k): v for k, v in description["names"].items()} == {0: "three", 1: "seven"}
    assert Path(description["path"], description["val"]).is_dir()
