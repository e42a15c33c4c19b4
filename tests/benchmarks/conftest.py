"""The benchmark programs are no package: they find each other by their folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "accuracy"), str(BENCHMARKS / "speed")]


@pytest.fixture
def pair_of_pictures(tmp_path: Path) -> Path:
    """A data folder, train and val alike: category ids 7 and 3; one picture with, one without."""
    tree: dict[str, Any] = {
        "images": [
            {"id": 41, "file_name": "a.JPG", "width": 200, "height": 100},
            {"id": 5, "file_name": "b.png", "width": 40, "height": 60},
        ],
        "categories": [{"id": 7, "name": "seven"}, {"id": 3, "name": "three"}],
        "annotations": [
            {"id": 1, "image_id": 41, "category_id": 7, "bbox": [20, 10, 50, 30]},
            {"id": 2, "image_id": 41, "category_id": 3, "bbox": [150, 50, 100, 100]},
            {"id": 3, "image_id": 41, "category_id": 3, "bbox": [0, 0, 90, 90], "iscrowd": 1},
        ],
    }
    root = tmp_path / "pair"
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        for image in tree["images"]:
            size = (image["width"], image["height"])
            Image.new("RGB", size, "grey").save(root / split / image["file_name"])
        (root / split / "_annotations.coco.json").write_text(json.dumps(tree))
    (root / "val").rename(root / "valid")
    return root
