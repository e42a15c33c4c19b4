"""The three sets differ in what their names say, and in nothing else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scripts import load_script

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.errors import DataError
from yolokit.synthesis.dataset import synthesise


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load_script(repository / "examples/augmented_copies.py")


@pytest.fixture(scope="module")
def out(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    synthesise(folder / "shapes", images=(3, 2, 2), size_hw=(96, 96), video=False)
    script.make_sets(folder / "shapes", folder / "out", photos=2, copies=4)
    return folder / "out"


def _pixels(folder: Path) -> list[NDArray[np.uint8]]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_the_sets_read_without_a_fault(out: Path) -> None:
    for name in ("leaky", "honest", "augmented_val"):
        sizes = {}
        for split, where in locate_splits(out / name).items():
            data = CocoDataset.load(where)
            assert not data.tree.faults and not data.bad_boxes
            sizes[split] = len(data)
        assert sizes == {"train": 6, "val": 2, "test": 2}


def test_they_differ_in_val_alone(out: Path) -> None:
    for split, same in (("train", True), ("test", True), ("val", False)):
        leaky, honest, moved = (
            _pixels(out / name / "images" / split) for name in ("leaky", "honest", "augmented_val")
        )
        for others in (honest, moved):
            equal = all(np.array_equal(a, b) for a, b in zip(leaky, others, strict=True))
            assert equal == same
    honest, moved = (_pixels(out / name / "images/val") for name in ("honest", "augmented_val"))
    assert not any(np.array_equal(a, b) for a, b in zip(honest, moved, strict=True))


def test_a_folder_in_use_is_left_alone(script: ModuleType, out: Path) -> None:
    with pytest.raises(DataError, match="not an empty folder"):
        script.make_sets(out, out, photos=1, copies=1)
