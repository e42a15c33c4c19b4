"""What is wrong with the data is said before the first epoch; classes are aligned by name."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest

import yolokit
from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.engine.validation import Validation
from yolokit.errors import DataError, ImageError
from yolokit.models.model_file import load_model
from yolokit.synthesis.dataset import synthesise

Edit = Callable[[dict[str, Any]], Any]


def config() -> Config:
    tree = {
        "model": {
            "head": {"type": "yolov1", "grid_size": 4, "channels": 32},
            "backbone": {"name": "squeezenet1_1", "weights": "none"},
        },
        "data": {"image_size": 64},
        "train": {"epochs": 2, "batch_size": 4, "workers": 0},
    }
    return validate_config(tree, "test")


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    synthesise(tmp_path / "set", images=(8, 4, 0), size_hw=(64, 64), classes=2, seed=1, video=False)
    return tmp_path / "set"


def edit(folder: Path, split: str, change: Edit) -> None:
    file = folder / "annotations" / f"instances_{split}.json"
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))


def fewer(tree: dict[str, Any]) -> None:
    gone = tree["categories"].pop(0)["id"]
    tree["annotations"] = [a for a in tree["annotations"] if a["category_id"] != gone]


def swapped(tree: dict[str, Any]) -> None:
    first, second = tree["categories"]
    swap = {first["id"]: second["id"], second["id"]: first["id"]}
    for entry in tree["categories"]:
        entry["id"] = swap[entry["id"]]
    for entry in tree["annotations"]:
        entry["category_id"] = swap[entry["category_id"]]


@pytest.mark.parametrize("change", [fewer, swapped])
def test_a_val_with_other_categories_is_scored_as_eval_scores_it(
    shapes: Path, tmp_path: Path, change: Edit
) -> None:
    before = tmp_path / "before"
    shutil.copytree(shapes, before)
    edit(shapes, "val", change)
    run = yolokit.train(config(), data=shapes, run=tmp_path / "run", device="cpu")
    _, card = load_model(run / "model.safetensors")
    assert card.metrics["AP"] == yolokit.evaluate(run, data=shapes, device="cpu").AP
    if change is swapped:
        assert card.metrics["AP"] == yolokit.evaluate(run, data=before, device="cpu").AP
    assert (run / "report.html").is_file()


def crowds(tree: dict[str, Any]) -> None:
    for entry in tree["annotations"]:
        entry["iscrowd"] = 1


def fractions(tree: dict[str, Any]) -> None:
    for entry in tree["annotations"]:
        entry["bbox"] = [each / 64 for each in entry["bbox"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["annotations"].clear(), "Nothing can be learnt"),
        (crowds, "boxes are crowds"),
        (fractions, "look like fractions of the picture"),
    ],
    ids=["no boxes", "crowds", "fractions"],
)
def test_nothing_to_learn_ends_before_the_first_epoch(
    shapes: Path, tmp_path: Path, change: Edit, message: str
) -> None:
    edit(shapes, "train", change)
    with pytest.raises(DataError, match=message) as caught:
        yolokit.train(config(), data=shapes, run=tmp_path / "run", device="cpu")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_val_without_boxes_is_a_warning_and_the_latest_model_is_kept(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(shapes, "val", lambda tree: tree["annotations"].clear())
    run = yolokit.train(config(), data=shapes, run=tmp_path / "run", device="cpu")
    printed = capsys.readouterr()
    assert "warning: val: no boxes. Nothing can be scored" in printed.err
    assert "none: the latest model is kept" in printed.out and "nan" not in printed.out
    assert "AP" not in (run / "metrics.csv").read_text()
    assert (run / "model.safetensors").is_file()


def test_nan_is_never_the_best() -> None:
    validation = Validation.__new__(Validation)
    validation.best_ap, validation.since_best, validation.patience = -1.0, 0, None
    trainer: Any = None
    assert [validation._note(ap, trainer) for ap in (math.nan, 0.0, math.nan, 0.0)] == [
        False,
        True,
        False,
        True,
    ]
    assert validation.best_ap == 0.0


class Gone(lightning.Callback):
    """Deletes a picture when all have been looked at."""

    def __init__(self, picture: Path) -> None:
        self.picture = picture

    def on_fit_start(self, trainer: object, pl_module: object) -> None:
        """Before the loading processes begin."""
        self.picture.unlink()


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_picture_that_goes_during_training_is_one_line(
    shapes: Path, tmp_path: Path, workers: int
) -> None:
    """Also where a loading process misses it, whose traceback torch makes the message."""
    picture = sorted((shapes / "images" / "train").iterdir())[3]
    uncached: Any = config().model_dump(mode="json", exclude_unset=True)
    uncached["data"]["cache"] = "none"
    with pytest.raises(ImageError) as caught:
        yolokit.train(
            validate_config(uncached, "test"),
            data=shapes,
            run=tmp_path / "run",
            device="cpu",
            workers=workers,
            callbacks=[Gone(picture)],
        )
    line = str(caught.value)
    assert "\n" not in line
    assert picture.name in line
    assert line.startswith("no picture at ")
