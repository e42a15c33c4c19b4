"""The example set reads without a fault."""

from __future__ import annotations

from pathlib import Path

from yolokit.data.check import check_images
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits


def test_the_coins_are_six_six_and_twelve(repository: Path) -> None:
    splits = locate_splits(repository / "examples" / "coins")
    sets = {name: CocoDataset.load(split) for name, split in splits.items()}
    assert {name: len(each.boxes) for name, each in sets.items()} == {
        "train": 6,
        "val": 6,
        "test": 12,
    }
    for each in sets.values():
        assert check_images(each) == []
        assert list(each.tree.faults) == []
