"""A training does not see which format its labels came in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from labelled_sets import (
    coco,
    photos,
    write_coco_set,
    write_cvat_set,
    write_json,
    write_label_studio_set,
    write_voc_set,
    write_yolo_set,
)
from safetensors.torch import load_file

import yolokit
from yolokit.config import Config
from yolokit.config_file import load_config, validate_config
from yolokit.errors import DataError


def tiny() -> Config:
    """One epoch of a small head at 64 px."""
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    tree = {
        "model": {"head": {"type": "yolov1", "grid_size": 4, "channels": 16}, "backbone": backbone},
        "data": {"image_size": 64},
        "train": {"epochs": 1, "batch_size": 3, "workers": 0},
    }
    return validate_config(tree, "test")


def scores(run: Path) -> list[tuple[str, str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [(row["loss"], row["AP"], row["AP50"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    return yolokit.train(tiny(), data=write_coco_set(folder / "set"), run=folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_yolo_set, write_voc_set, write_cvat_set])
def test_the_model_is_the_same_to_the_last_bit(
    write: Callable[[Path], Path], plain: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set")
    before = sorted(folder.rglob("*"))
    run = yolokit.train(tiny(), data=folder, run=tmp_path / "run")
    found_weights, weights = (load_file(each / "model.safetensors") for each in (run, plain))
    assert list(found_weights) == list(weights)
    assert all(torch.equal(found_weights[name], weights[name]) for name in weights)
    assert scores(run) == scores(plain)
    assert sorted(folder.rglob("*")) == before
    found = yolokit.evaluate(run / "model.safetensors", data=folder, split="val")
    assert found.AP == yolokit.evaluate(plain / "model.safetensors", data=plain.parent / "set").AP
    val = load_config(run / "config.yaml").data.val
    assert val is not None
    assert val.images.is_absolute()
    report = (run / "report.html").read_text(encoding="utf-8")
    assert f"--data {folder} --split val" in report


def test_an_unsplit_set_scores_but_does_not_train(plain: Path, tmp_path: Path) -> None:
    model, names = plain / "model.safetensors", {photo.name for photo in photos("val")}
    export = write_label_studio_set(tmp_path / "export", "val")
    pictures = plain.parent / "set" / "images" / "val"
    assert {path.name for path in pictures.iterdir()} == names
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "images").symlink_to(pictures)
    alone = write_json(tmp_path / "alone" / "labels.json", coco(photos("val")))
    wanted = yolokit.evaluate(model, data=plain.parent / "set", split="val").to_dict()
    for data in (export, export / "result.json", alone):
        assert yolokit.evaluate(model, data=data, split="test").to_dict() == wanted
        with pytest.raises(DataError, match=r"not split into train and val.*yolokit data split"):
            yolokit.train(tiny(), data=data, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
