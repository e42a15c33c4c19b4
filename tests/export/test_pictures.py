"""Which pictures an export is checked on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from yolokit.data.prepare import PAD_GREY
from yolokit.errors import DataError
from yolokit.export.pictures import compared_pictures, find_pictures, prepared
from yolokit.sections import SplitConfig


def _run(folder: Path, annotations: Path, images: Path) -> Path:
    folder.mkdir()
    split = {"images": str(images), "annotations": str(annotations)}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"val": split}}))
    return folder


def test_those_of_the_data_that_is_given(photos: Path) -> None:
    found = find_pictures(photos, None)
    assert (found.source, found.where) == ("val", f"val of {photos}")
    pictures = list(compared_pictures(found, (64, 96)))
    assert len(pictures) == 3
    assert all(each.shape == (64, 96, 3) and each.dtype == np.uint8 for each in pictures)


def test_the_runs_own_val(photos: Path, tmp_path: Path) -> None:
    annotations = photos / "annotations" / "instances_val.json"
    run = _run(tmp_path / "run", annotations, photos / "images" / "val")
    found = find_pictures(None, run)
    assert found.source == "val" and found.split is not None
    assert found.split.annotations == annotations
    assert str(annotations) in found.where


def test_made_up_photos_where_the_runs_val_is_gone(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", tmp_path / "gone.json", tmp_path)
    for folder in (run, tmp_path, None):
        found = find_pictures(None, folder)
        assert (found.source, found.split) == ("synthesis", None)
    pictures = list(compared_pictures(found, (64, 96)))
    assert len(pictures) == 16 and pictures[0].shape == (64, 96, 3)
    assert all((each != PAD_GREY).any() for each in pictures)
    again = list(compared_pictures(found, (64, 96)))
    assert all(map(np.array_equal, pictures, again))


def test_a_set_without_val_or_test(photos: Path, tmp_path: Path) -> None:
    train = {
        "images": str(photos / "images" / "train"),
        "annotations": str(photos / "annotations" / "instances_train.json"),
    }
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"train": train}))
    with pytest.raises(DataError, match="no val or test split"):
        find_pictures(tmp_path / "data.yaml", None)


def test_no_more_than_wanted_evenly_spread(photos: Path) -> None:
    split = SplitConfig(
        images=photos / "images" / "train",
        annotations=photos / "annotations" / "instances_train.json",
    )
    all_of_them = list(prepared(split, (64, 96), most=300))
    some = list(prepared(split, (64, 96), most=3))
    assert len(all_of_them) == 6
    assert [next(i for i, p in enumerate(all_of_them) if np.array_equal(p, s)) for s in some] == [
        *(0, 2, 5)  # the middle, 2.5, is rounded to an even number
    ]
