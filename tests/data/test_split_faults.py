"""What there is to learn from a split, and to score it by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.split_faults import objects_to_find, require_sound, split_faults
from yolokit.errors import DataError


def row(number: int, bbox: list[float], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": bbox, **more}


def codes(name: str, dataset: CocoDataset, limit: float = 0.5) -> dict[str, str]:
    return {each.code: each.level for each in split_faults(name, dataset, max_bad_boxes=limit)}


@pytest.mark.parametrize("rows", [[], [row(1, [1, 1, 9, 9], iscrowd=1)]], ids=["none", "crowds"])
def test_nothing_to_learn_is_an_error_and_nothing_to_score_a_warning(
    write_split: Any, rows: list[Any]
) -> None:
    dataset = CocoDataset.load(write_split(rows))
    assert codes("train", dataset) == {"nothing-to-learn": "error", "unused-class": "note"}
    assert codes("val", dataset) == {"nothing-to-score": "warning"}
    assert objects_to_find(dataset) == 0
    with pytest.raises(DataError, match=r"train: .*Nothing can be learnt"):
        require_sound("train", split_faults("train", dataset, max_bad_boxes=0.5))
    (line,) = require_sound("val", split_faults("val", dataset, max_bad_boxes=0.5))
    assert line.startswith("warning: val: ") and "\n" not in line


def test_bad_boxes_have_a_code_each_and_are_an_error_beyond_the_limit(write_split: Any) -> None:
    rows = [row(n, [n, 1, 9, 9]) for n in range(8)]
    rows += [row(8, [0, 0, 0, 0]), row(9, [500, 1, 5, 5])]
    dataset = CocoDataset.load(write_split(rows), max_bad_boxes=1.0)
    assert codes("val", dataset, 0.2) == {
        "over-edge": "warning",
        "zero-area": "warning",
        "outside": "warning",
    }
    assert codes("val", dataset, 0.1)["zero-area"] == "error"
    faults = {each.code: each for each in split_faults("val", dataset, max_bad_boxes=0.2)}
    assert "scored as missed, as pycocotools does" in faults["zero-area"].advice
    assert faults["zero-area"].cases == ("annotation 8 of image 1",)
    assert objects_to_find(dataset) == 10


def test_a_size_that_the_file_leaves_out_is_the_pictures(write_split: Any, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"}]
    rows = [row(1, [30, 5, 20, 9]), {**row(2, [7, 8, 60, 20]), "image_id": 2}]
    dataset = CocoDataset.load(write_split(rows, images))
    assert dataset.sizes_hw.tolist() == [[30, 40], [28, 67]]  # of the lost one: what boxes need
    assert dataset.boxes.tolist() == [[30, 5, 40, 14], [7, 8, 67, 28]]
