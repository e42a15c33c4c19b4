"""Trainings from end to end on tiny sets: what a user relies on while one runs and afterwards."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import yolokit
from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.engine.module import DivergedError
from yolokit.engine.validator import Validator
from yolokit.errors import ConfigError, DataError, WeightsError, YolokitError
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.models.detector import Detector
from yolokit.models.model_file import load_model
from yolokit.synthesis.dataset import synthesise

TINY = {
    "model": {
        "head": {"type": "yolov1", "grid_size": 4, "channels": 32},
        "backbone": {"name": "squeezenet1_1", "weights": "none"},
    },
    "data": {"image_size": 64},
    "train": {"epochs": 2, "batch_size": 4, "workers": 0, "checkpoint_seconds": 0},
}


def config(**sections: dict[str, object]) -> Config:
    """The tiny config with some keys of some sections changed."""
    tree = {name: {**section, **sections.get(name, {})} for name, section in TINY.items()}
    return validate_config({**sections, **tree}, "test")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tiny training pictures, five to validate on."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(12, 5, 2), size_hw=(64, 80), classes=2, seed=5, video=False)
    return folder


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_its_files_and_the_same_number_everywhere(
    shapes: Path, tmp_path: Path
) -> None:
    run = yolokit.train(config(), data=shapes, run=tmp_path / "run", device="cpu")
    assert {path.name for path in run.iterdir()} == {
        "config.yaml",
        "evaluation.json",
        "last.ckpt",
        "metrics.csv",
        "model.safetensors",
        "report.html",
    }
    rows = rows_of(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = max(float(row["AP"]) for row in rows)
    _, card = load_model(run / "model.safetensors")
    assert card.metrics["AP"] == best
    assert best == yolokit.evaluate(run, data=shapes, split="val", device="cpu").AP


def test_config_of_a_run_says_what_auto_became(shapes: Path, tmp_path: Path) -> None:
    wanted = config(train={"batch_size": "auto", "lr": "auto", "validate_every": "auto"})
    run = yolokit.train(wanted, data=shapes, run=tmp_path / "run", device="cpu")
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["train"]["batch_size"] == 8  # the smallest: the run is short
    assert written["train"]["lr"] == pytest.approx(3e-3 * math.sqrt(8 / 16))
    assert Path(written["data"]["train"]["annotations"]).is_absolute()


def test_wide_pictures_make_a_wide_input_in_config_and_model(tmp_path: Path) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(8, 2, 2), size_hw=(64, 320), classes=2, seed=5, video=False)
    wanted = config(
        model={"head": {"type": "yolo", "width": 32}, "backbone": TINY["model"]["backbone"]},
        data={"image_size": 96},
        train={"epochs": 1},
    )
    run = yolokit.train(wanted, data=data, run=tmp_path / "run", device="cpu")
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["image_size"] == [32, 96]
    _, card = load_model(run / "model.safetensors")
    assert card.image_hw == (32, 96)
    assert card.metrics["AP"] == yolokit.evaluate(run, data=data, split="val", device="cpu").AP


def test_a_run_is_never_overwritten(shapes: Path, tmp_path: Path) -> None:
    run = yolokit.train(config(train={"epochs": 1}), data=shapes, run=tmp_path / "r", device="cpu")
    before = {path: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(YolokitError, match="--resume"):
        yolokit.train(config(), data=shapes, run=run, device="cpu")
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_that_cannot_start_leaves_its_folder_free(shapes: Path, tmp_path: Path) -> None:
    wrong = {"name": "squeezenet1_1", "weights": str(tmp_path / "absent.pth")}
    with pytest.raises(WeightsError, match=r"absent\.pth"):
        yolokit.train(
            config(model={**TINY["model"], "backbone": wrong}), data=shapes, run=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_a_missing_picture_is_named_before_training(tmp_path: Path) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(6, 2, 1), size_hw=(64, 64), seed=1, video=False)
    pictures = sorted((data / "images/train").iterdir())
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:300])
    with pytest.raises(DataError) as caught:
        yolokit.train(config(), data=data, run=tmp_path / "run", device="cpu")
    assert pictures[0].name in str(caught.value)
    assert pictures[1].name in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_data_without_a_train_split_is_refused(shapes: Path, tmp_path: Path) -> None:
    only_test = tmp_path / "data.yaml"
    images, annotations = shapes / "images/test", shapes / "annotations/instances_test.json"
    only_test.write_text(f"test: {{images: {images}, annotations: {annotations}}}")
    with pytest.raises(ConfigError, match="train split"):
        yolokit.train(config(), data=only_test, run=tmp_path / "run")
    with pytest.raises(ConfigError, match="--data"):
        yolokit.train(config(), run=tmp_path / "run")


def test_without_a_validation_split_the_latest_model_is_kept(shapes: Path, tmp_path: Path) -> None:
    images, annotations = shapes / "images/train", shapes / "annotations/instances_train.json"
    data = tmp_path / "data.yaml"
    data.write_text(f"train: {{images: {images}, annotations: {annotations}}}")
    run = yolokit.train(config(), data=data, run=tmp_path / "run", device="cpu")
    assert load_model(run / "model.safetensors")[1].metrics == {"epoch": 2}
    assert "AP" not in rows_of(run)[0]


def test_a_loss_that_is_no_number_stops_with_the_images_and_a_sound_checkpoint(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Detector.forward
    calls = 0

    def poisoned(self: Detector, images: torch.Tensor) -> object:
        nonlocal calls
        outputs = forward(self, images)
        calls += self.training
        if calls == 5:  # the second batch of the second epoch
            outputs[0].classes.data.fill_(float("nan"))
        return outputs

    monkeypatch.setattr(Detector, "forward", poisoned)
    with pytest.raises(DivergedError, match=r"nan at epoch 1, batch 1, image ids \[\d+, .*lr"):
        yolokit.train(config(), data=shapes, run=tmp_path / "run", device="cpu")
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    tensors = [*state["state_dict"].values(), *state["current_model_state"].values()]
    assert all(torch.isfinite(tensor).all() for tensor in tensors)
    load_model(tmp_path / "run/model.safetensors")


@pytest.mark.parametrize(
    ("scores", "seen", "kept"),
    [
        # 0.3 again is kept, as it is later, but it is no better: three in a row.
        ([0.2, 0.3, 0.3, 0.25, 0.1, 0.2], 5, 2),
        ([1.0] * 9, 4, 3),
        ([0.2, math.nan, math.nan, math.nan, 0.9], 4, 0),
        ([math.nan] * 5, 3, 2),  # nothing to go by: the latest
    ],
)
def test_early_stopping_ends_a_run_that_gets_no_better_and_says_so(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scores: list[float],
    seen: int,
    kept: int,
) -> None:
    score = Validator.__call__
    coming = iter(scores)

    def rescored(validator: Validator, detector: Detector) -> CocoMetrics:
        return replace(score(validator, detector), AP=next(coming))

    monkeypatch.setattr(Validator, "__call__", rescored)
    run = yolokit.train(
        config(train={"epochs": 50, "early_stopping": 3, "validate_every": 1}),
        data=shapes,
        run=tmp_path / "run",
        device="cpu",
    )
    found = [float(row["AP"]) for row in rows_of(run)]
    assert found == pytest.approx(scores[:seen], nan_ok=True)
    assert load_model(run / "model.safetensors")[1].metrics["epoch"] == kept + 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "stopped early" in line]
    assert len(lines) == 1
    assert "3 validations without a better AP" in lines[0]


def test_frozen_backbone_does_not_move_until_it_is_unfrozen(shapes: Path, tmp_path: Path) -> None:
    def trained(**backbone: object) -> dict[str, np.ndarray]:
        part = {"name": "mobilenet_v2", "weights": "none", **backbone}
        tree = config(model={**TINY["model"], "backbone": part}, train={"epochs": 2, "ema": False})
        run = yolokit.train(tree, data=shapes, run=tmp_path / str(len(list(tmp_path.iterdir()))))
        state = torch.load(run / "last.ckpt", weights_only=True)["state_dict"]
        return {name: value.numpy() for name, value in state.items() if "backbone" in name}

    frozen = trained(trainable_stages=0)
    longer_frozen = trained(trainable_stages=0, unfreeze_epoch=2)  # there is no such epoch
    unfrozen = trained(trainable_stages=0, unfreeze_epoch=1)
    assert all(np.array_equal(frozen[name], longer_frozen[name]) for name in frozen)
    moved = {name for name in frozen if not np.array_equal(frozen[name], unfrozen[name])}
    assert {"detector.backbone.trunk.features.0.0.weight"} < moved
    assert any("running_mean" in name for name in moved)


@pytest.mark.slow
def test_the_head_learns_eight_pictures_by_heart(tmp_path: Path) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(8, 1, 1), size_hw=(128, 128), classes=2, seed=2, video=False)
    same = tmp_path / "data.yaml"
    images, annotations = data / "images/train", data / "annotations/instances_train.json"
    entry = f"{{images: {images}, annotations: {annotations}}}"
    same.write_text(f"train: {entry}\nval: {entry}")
    still = dict.fromkeys(
        ("hflip", "scale", "translate", "hue", "saturation", "value", "blur", "noise"), 0.0
    )
    tree = config(
        model={"head": {"type": "yolov1", "grid_size": 14, "channels": 64}},
        data={"image_size": 128},
        augment=still,
        train={"epochs": 150, "batch_size": 8, "lr": 0.002, "validate_every": 50},
    )
    run = yolokit.train(tree, data=same, run=tmp_path / "run", device="cpu")
    assert yolokit.evaluate(run, data=same, split="val", device="cpu").AP50 >= 0.95
