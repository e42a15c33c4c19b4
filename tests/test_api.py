"""A Python program that trains and scores is left as it was."""

from __future__ import annotations

import csv
import logging
import os
import random
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
import pytest
import torch
import yaml

import yolokit
from yolokit.api import train_settings
from yolokit.config_file import find_config, load_config
from yolokit.errors import ConfigError, YolokitError
from yolokit.synthesis.dataset import synthesise

TINY = (
    "model.backbone.weights=none",
    "data.image_size=64",
    "train.epochs=1",
    "train.batch_size=4",
    "train.workers=0",
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, four to validate on."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


def process_state() -> dict[str, Any]:
    """Everything of this process that a library may not change for its caller."""
    mask = os.umask(0)
    os.umask(mask)
    loggers = logging.root.manager.loggerDict
    return {
        "handlers": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "random": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "filters": list(warnings.filters),
        "levels": {name: getattr(each, "level", None) for name, each in loggers.items()},
        "environment": dict(os.environ),
        "umask": mask,
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "folder": Path.cwd(),
    }


def test_a_program_is_the_same_after_training_and_scoring(shapes: Path, tmp_path: Path) -> None:
    yolokit.train("quickstart", data=shapes, run=tmp_path / "first", overrides=TINY, device="cpu")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # any of the program's own
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    try:
        before = process_state()
        run = yolokit.train(
            "quickstart", data=shapes, run=tmp_path / "run", overrides=TINY, device="cpu"
        )
        assert process_state() == before
        yolokit.evaluate(run, data=shapes, device="cpu")
        assert process_state() == before
        with pytest.raises(YolokitError):
            yolokit.train("quickstart", data=shapes, run=run, overrides=TINY, device="cpu")
        assert process_state() == before
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_training_works_outside_the_main_thread(shapes: Path, tmp_path: Path) -> None:
    def work() -> None:
        yolokit.train("quickstart", data=shapes, run=tmp_path / "run", overrides=TINY, device="cpu")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (tmp_path / "run/model.safetensors").is_file()
    assert (tmp_path / "run/report.html").is_file()


class Watcher(lightning.Callback):
    """What a callback of the user's sees at the end of each epoch."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Take a copy."""
        numbers = trainer.callback_metrics
        self.seen.append({name: float(value) for name, value in numbers.items()})


def test_keywords_and_callbacks(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher = Watcher()
    run = yolokit.train(
        "quickstart",
        data=shapes,
        run=tmp_path / "run",
        overrides=[*TINY, "train.epochs=7"],
        device="cpu",
        epochs=2,
        seed=3,
        callbacks=[watcher],
        quiet=True,
    )
    assert capsys.readouterr().out == ""
    settings = yaml.safe_load((run / "config.yaml").read_text())["train"]
    assert (settings["epochs"], settings["seed"]) == (2, 3)
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(watcher.seen) == 2
    for seen, row in zip(watcher.seen, rows, strict=True):
        assert seen["AP50"] == pytest.approx(float(row["AP50"]), abs=1e-6) and seen["loss"] > 0


def test_keywords_apply_to_a_config_too(shapes: Path, tmp_path: Path) -> None:
    config = load_config(find_config("quickstart"), TINY)
    run = yolokit.train(config, data=shapes, run=tmp_path / "run", device="cpu", seed=9, quiet=True)
    settings = yaml.safe_load((run / "config.yaml").read_text())["train"]
    assert (settings["epochs"], settings["seed"]) == (1, 9)
    with pytest.raises(ConfigError, match="either epochs or a time budget"):
        yolokit.train(config, data=shapes, epochs=2, time_budget="1m")
    with pytest.raises(ConfigError, match="overrides"):
        yolokit.train(config, data=shapes, overrides=["train.lr=1"])


def test_a_time_budget_is_seconds_or_has_its_unit(shapes: Path) -> None:
    for budget in (90, 90.0, "90s", "1.5m"):
        (setting,) = train_settings(None, budget, None, None)
        read = load_config(find_config("quickstart"), [setting]).train.time_budget
        assert read == 90
    with pytest.raises(ConfigError, match=r"90 of what\? Give 90s, 90m or 90h"):
        yolokit.train("quickstart", data=shapes, time_budget="90")


def test_scores_are_readable(shapes: Path, tmp_path: Path) -> None:
    run = yolokit.train(
        "quickstart", data=shapes, run=tmp_path / "run", overrides=TINY, device="cpu", quiet=True
    )
    scores = yolokit.evaluate(run, data=shapes, device="cpu")
    assert str(scores).splitlines()[0].split() == ["class", "boxes", "AP", "AP50"]
    assert "AP    " in str(scores) and scores.evaluator in str(scores)
    assert repr(scores) == f"<CocoMetrics AP {scores.AP:.3f} AP50 {scores.AP50:.3f} on 4 images>"
    table = scores._repr_html_()
    assert table.count("<tr>") == 2 + len(scores.per_class) and "<td>all, 4 images</td>" in table
