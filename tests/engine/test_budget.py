"""A time budget is kept, whatever set-up and scoring take; the clock is the test's own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.data.locate import locate_splits
from yolokit.engine import bf16_score, validation
from yolokit.engine.bf16_score import leave_bf16_score
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Clock
from yolokit.engine.training import fit
from yolokit.models.detector import Detector
from yolokit.report.write import write_report
from yolokit.signals import SignalWatch
from yolokit.synthesis.dataset import synthesise


class Hands:
    """A clock that goes on when a detector runs: so long for a step, so long for a scored batch.

    Args:
        step: seconds a training step takes.
        scored: seconds for each scored picture.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, step: float, scored: float, setup: float = 0.0
    ) -> None:
        self.time = self.started = 500.0
        self.setup = setup
        self.steps = 0
        self.scored: list[float] = []
        forward = Detector.forward

        def timed(detector: Detector, images: torch.Tensor) -> Any:
            if detector.training:
                self.time += self.setup + step
                self.setup = 0.0
                self.steps += 1
            else:
                self.time += scored * len(images)
                self.scored.append(self.time)
            return forward(detector, images)

        monkeypatch.setattr(Detector, "forward", timed)

    def __call__(self) -> float:
        return self.time

    @property
    def elapsed(self) -> float:
        return self.time - self.started


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tiny training pictures, nine to validate on."""
    folder = tmp_path_factory.mktemp("budget") / "set"
    synthesise(folder, images=(12, 9, 1), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


@pytest.fixture(autouse=True)
def in_bf16(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this processor is one that is scored on in bf16 too, whichever it is."""
    wanted = bool(getattr(request, "param", False))
    for module in (validation, bf16_score):
        monkeypatch.setattr(module, "is_scored_in_bf16", lambda _device: wanted)


def config(data: Path, budget: float, **train: object) -> Config:
    splits = {name: split.model_dump() for name, split in locate_splits(data).items() if split}
    backbone = {"name": "squeezenet1_1", "weights": "none", "trainable_stages": "all"}
    tree = {
        "model": {
            "head": {"type": "yolov1", "grid_size": 4, "channels": 16},
            "backbone": backbone,
        },
        "data": {"image_size": 64, "cache": "none", **splits},
        "train": {
            "time_budget": budget,
            "pace": 10.0,  # as if measured: the clock counts what training does
            "batch_size": 4,
            "eval_batch_size": 2,
            "workers": 0,
            "validate_every": 1,
            "checkpoint_seconds": 1e6,
            "warmup": 0.05,
            **train,
        },
    }
    return validate_config(tree, "test")


def run_of(settings: Config, path: Path, hands: Hands) -> list[dict[str, str]]:
    """Train and write the report by that clock; the rows of metrics.csv."""
    folder = RunFolder(path)
    with SignalWatch() as signals:
        finished = fit(
            settings,
            folder,
            device="cpu",
            signals=signals,
            clock=Clock(now=hands),
        )
        assert finished is not None
        leave_bf16_score(folder, finished, signals)
    write_report(folder, finished)
    with folder.metrics.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("in_bf16", [False, True], indirect=True)
def test_the_whole_run_ends_within_its_budget_and_the_rate_anneals(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands(monkeypatch, step=1.0, scored=0.5)  # a validation: 4.5 s
    rows = run_of(config(shapes, 200.0), tmp_path / "run", hands)
    assert 190 < hands.elapsed <= 200
    rates = [float(row["lr"]) for row in rows]
    peak = yaml.safe_load((tmp_path / "run/config.yaml").read_text())["train"]["lr"]
    assert max(rates) > 0.9 * peak
    assert rates[-1] < 0.05 * peak
    assert rows[-1]["AP"]


def test_validations_that_leave_no_time_for_the_last_are_left_out(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A validation takes 18 s, an epoch 3 s: two at the end are 36 s, so three would not fit.
    hands = Hands(monkeypatch, step=1.0, scored=2.0)
    rows = run_of(config(shapes, 60.0), tmp_path / "run", hands)
    assert hands.elapsed <= 60
    assert [bool(row.get("AP")) for row in rows] == [False] * (len(rows) - 1) + [True]


def test_one_epoch_longer_than_the_budget_still_leaves_time_to_score(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An epoch takes 30 s, a validation 9 s, the slice of it 6 s: a third step would not fit.
    hands = Hands(monkeypatch, step=10.0, scored=1.0)
    rows = run_of(config(shapes, 50.0), tmp_path / "run", hands)
    assert len(rows) == 1
    assert rows[0]["AP"]
    assert hands.steps == 2
    assert hands.elapsed <= 50


def test_scoring_that_cannot_fit_is_said_in_one_line(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hands = Hands(monkeypatch, step=1.0, scored=10.0)
    run_of(config(shapes, 30.0), tmp_path / "run", hands)
    assert hands.steps <= 3
    lines = [line for line in capsys.readouterr().out.splitlines() if "data.val" in line]
    assert len(lines) == 1
    assert "takes about 90 s" in lines[0]


def test_set_up_counts_against_the_budget_but_not_as_training(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of the budget is gone before the first step; the rate climbs from there."""
    hands = Hands(monkeypatch, step=1.0, scored=0.1)
    settings = config(shapes, 80.0, warmup=0.5)
    build = "yolokit.engine.first_and_kept.build_detector"
    from yolokit.engine.first_and_kept import build_detector

    def slow(*args: Any, **kwargs: Any) -> Detector:
        if not hands.steps:
            hands.time += 20
        return build_detector(*args, **kwargs)

    monkeypatch.setattr(build, slow)
    rows = run_of(settings, tmp_path / "run", hands)
    peak = yaml.safe_load((tmp_path / "run/config.yaml").read_text())["train"]["lr"]
    # The third step starts 2 s after the first, of about 55: 2 / 55 / 0.5 of the peak.
    assert float(rows[0]["lr"]) < 0.1 * peak
    assert hands.elapsed <= 80
