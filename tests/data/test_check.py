"""All pictures that cannot be used are found in one pass and named in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from yolokit.data.check import ImageProblem, check_images, require_good_images
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.errors import DataError
from yolokit.sections import SplitConfig


def test_every_fault_is_listed_at_once_in_file_order(
    painted_split: Callable[..., SplitConfig], tmp_path: Path
) -> None:
    data = CocoDataset.load(painted_split(6))
    (tmp_path / "0.png").unlink()
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.png").write_text("not a picture")
    Image.new("RGB", (33, 44)).save(tmp_path / "5.png")

    problems = check_images(data, workers=2)

    assert [problem.image_id for problem in problems] == [10, 12, 13, 15]
    assert [problem.path.name for problem in problems] == ["0.png", "2.png", "3.png", "5.png"]
    assert problems[0].reason == "missing"
    assert "truncated" in problems[1].reason
    assert problems[2].reason == "not a picture in a known format"
    assert problems[3].reason == "is 33x44, the annotation file says 65x95"
    with pytest.raises(DataError, match=r"4 of 6 pictures .* 0\.png \(missing\); 2\.png") as caught:
        require_good_images(problems, data)
    assert "5.png (is 33x44" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_pictures_are_no_problem(painted_split: Callable[..., SplitConfig]) -> None:
    data = CocoDataset.load(painted_split(3))
    assert check_images(data) == []
    require_good_images([], data)


def test_an_exif_turn_that_swaps_the_size_is_explained(write_split: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png", exif=exif)  # upright: 50x100
    raw = CocoDataset.load(write_split())  # says 100x50, the unturned size
    (problem,) = check_images(raw)
    assert "is 50x100 once its EXIF orientation is applied" in problem.reason
    assert "says 100x50" in problem.reason
    upright = [{"id": 1, "file_name": "a.png", "width": 50, "height": 100}]
    assert check_images(CocoDataset.load(write_split(images=upright))) == []


@pytest.mark.parametrize(
    "name",
    [
        "/data/upload/1/a b.png",
        "C:\\Users\\me\\a b.png",
        "https://store/x/a%20b.png?sig=1",
        "images/a b.png",
    ],
)
def test_a_picture_is_found_whatever_folders_another_computer_had(
    name: str, write_split: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (100, 50)).save(tmp_path / "a b.png")
    images = [
        {"id": 1, "file_name": name, "width": 100, "height": 50},
        {"id": 2, "file_name": "gone.png", "width": 100, "height": 50},
    ]
    dataset = CocoDataset.load(write_split(images=images))
    (problem,) = check_images(dataset)
    assert problem == ImageProblem(2, tmp_path / "gone.png", "missing")
    assert [fault.line for fault in dataset.tree.faults if fault.code == "renamed"] == [
        f"1 file names are another computer's: {name.replace(chr(92), '/')} is a b.png. "
        "The pictures are found by the end of them."
    ]


def test_a_folder_in_the_place_of_a_picture_is_said_without_numbers(
    write_split: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.png").mkdir()
    (problem,) = check_images(CocoDataset.load(write_split()))
    assert problem.reason == "Is a directory"


def test_a_long_list_is_cut_with_its_count(painted_split: Callable[..., SplitConfig]) -> None:
    data = CocoDataset.load(painted_split(2))
    problems = [ImageProblem(each, Path(f"{each}.png"), "missing") for each in range(25)]
    with pytest.raises(DataError, match=r"19\.png \(missing\); and 5 more"):
        require_good_images(problems, data)


@pytest.mark.parametrize("name", ["bccd", "aquarium", "raccoon", "coco128"])
def test_real_pictures_are_all_good(real_root: Path, name: str) -> None:
    for split in locate_splits(real_root / "data" / name).values():
        assert check_images(CocoDataset.load(split)) == []
