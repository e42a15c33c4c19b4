from __future__ import annotations

import json
from pathlib import Path

from yolokit.data.coco import CocoDataset
from yolokit.data.statistics import narrow_share, split_statistics
from yolokit.sections import SplitConfig


def test_counts_by_hand(tmp_path: Path) -> None:
    def row(image_id: int, category_id: int, width: float, height: float, crowd: int = 0) -> dict:
        box = [1, 1, width, height]
        return {"image_id": image_id, "category_id": category_id, "bbox": box, "iscrowd": crowd}

    rows = [
        row(1, 9, 32, 31.9),  # small; doubled: medium
        row(1, 9, 32, 32),  # exactly 32²: medium; doubled 64²: medium
        row(1, 2, 50, 50),  # medium; doubled 100²: large
        row(1, 2, 90, 90, crowd=1),
        row(3, 9, 96, 96),  # exactly 96²: large; halved 48²: medium
        row(3, 9, 0, 10),  # bad
    ]
    tree = {
        "images": [
            {"id": 1, "file_name": "1", "height": 100, "width": 100},
            {"id": 2, "file_name": "2", "height": 100, "width": 100},
            {"id": 3, "file_name": "3", "height": 200, "width": 400},
        ],
        "categories": [{"id": i, "name": name} for i, name in ((9, "b"), (2, "a"), (5, "c"))],
        "annotations": [{"id": i, **entry} for i, entry in enumerate(rows)],
    }
    (tmp_path / "t.json").write_text(json.dumps(tree))
    split = SplitConfig(images=tmp_path, annotations=tmp_path / "t.json")
    found = split_statistics(CocoDataset.load(split, max_bad_boxes=1.0), (200, 200))
    assert (found.images, found.empty, found.most_in_one) == (3, 1, 3)
    assert (found.boxes, found.crowds, found.bad_boxes) == (4, 1, 1)
    assert found.class_boxes == {"a": 1, "b": 3, "c": 0}
    assert found.class_images == {"a": 1, "b": 2, "c": 0}
    assert found.sizes_original == {"small": 1, "medium": 2, "large": 1}
    assert found.sizes_input == {"small": 0, "medium": 3, "large": 1}


def test_a_split_without_boxes(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "1", "height": 10, "width": 10}
    tree = {"images": [image], "categories": [{"id": 1, "name": "a"}], "annotations": []}
    (tmp_path / "t.json").write_text(json.dumps(tree))
    split = SplitConfig(images=tmp_path, annotations=tmp_path / "t.json")
    found = split_statistics(CocoDataset.load(split), (64, 64))
    assert (found.images, found.empty, found.boxes, found.most_in_one) == (1, 1, 0, 0)
    assert found.class_boxes == {"a": 0}
    assert found.sizes_input == {"small": 0, "medium": 0, "large": 0}


def test_narrow_boxes_are_measured_in_the_input(tmp_path: Path) -> None:
    boxes = [[0, 0, 10, 90], [0, 0, 40, 30], [0, 0, 50, 50], [0, 0, 2, 2]]
    rows = [
        {"id": index + 1, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": int(index == 3)}
        for index, box in enumerate(boxes)
    ]
    tree = {
        "images": [{"id": 1, "file_name": "1", "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": rows,
    }
    (tmp_path / "t.json").write_text(json.dumps(tree))
    split = SplitConfig(images=tmp_path, annotations=tmp_path / "t.json")
    dataset = CocoDataset.load(split, max_bad_boxes=1.0)
    # Halved, the shorter sides are 5, 15 and 25 px; the crowd does not count.
    assert narrow_share(dataset, (50, 50), 8) == 1 / 3
    assert narrow_share(dataset, (50, 50), 16) == 2 / 3
    assert narrow_share(dataset, (100, 100), 8) == 0.0
