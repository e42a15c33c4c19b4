"""How fast a device trains is measured by real steps, and a budget is planned by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import yolokit
from yolokit.backbones.backbone import Backbone
from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.data.cache import _Decoder
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.locate import choose_split
from yolokit.engine import training
from yolokit.engine.pace import Measured, measure_pace
from yolokit.engine.recipe import resolve
from yolokit.errors import ConfigError
from yolokit.models.detector import Detector
from yolokit.synthesis.dataset import synthesise

SECONDS = 0.5  # of a step, by the test's clock


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pace") / "set"
    synthesise(folder, images=(12, 2, 0), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Goes on when a detector runs: a second for the first time, half a second from then on."""
    state: dict[str, Any] = {"time": 100.0, "steps": 0}
    forward = Detector.forward

    def timed(detector: Detector, images: torch.Tensor) -> Any:
        state["time"] += SECONDS if state["steps"] else 1.0
        state["steps"] += 1
        return forward(detector, images)

    monkeypatch.setattr(Detector, "forward", timed)
    return state


def config(budget: str, **train: object) -> Config:
    tree = {
        "model": {
            "head": {"type": "yolov1", "grid_size": 4, "channels": 16},
            "backbone": {"name": "squeezenet1_1", "weights": "none"},
        },
        "data": {"image_size": 64},
        "train": {"time_budget": budget, "batch_size": 4, "workers": 0, **train},
    }
    return validate_config(tree, "test")


def measured(shapes: Path, budget: str, clock: dict[str, Any]) -> float:
    train_set = CocoDataset.load(choose_split(shapes, "train"))
    settings = resolve(config(budget), train_sizes=train_set.sizes_hw, val_images=2)
    return measure_pace(settings, train_set, accelerator="cpu", now=lambda: clock["time"]).pace


def test_the_pace_is_that_of_the_steps_after_the_first(shapes: Path, clock: dict[str, Any]) -> None:
    assert measured(shapes, "10m", clock) == 4 / SECONDS  # pictures of a step, its seconds
    # At most 5 s: 1 s for the first step, then half a second each until they are over.
    assert clock["steps"] == 1 + 8


def test_a_short_budget_is_measured_by_one_step_beyond_the_first(
    shapes: Path, clock: dict[str, Any]
) -> None:
    assert measured(shapes, "20s", clock) == 4 / SECONDS  # 3 % are 0.6 s
    assert clock["steps"] == 2


@pytest.mark.parametrize(
    ("budget", "asked", "pace", "variants"),
    [
        # Maps of 4 pictures take 2 s, steps of 4 half a second. One variant of 12 pictures and one
        # without mosaic take 24 / 4 * 2 = 12 s of 60: 48 are left to see 8 a second.
        ("60s", 1, 48 / 60 * 8, 1),
        # Five and one without would take 36, more than half; four and one 30: 20 epochs are left.
        ("60s", 5, 30 / 60 * 8, 4),
        ("20s", 5, 8 / 20 * 8, 1),  # one is made even if it takes more than half
    ],
)
def test_with_a_feature_cache_the_pace_is_that_of_the_budget_with_the_filling(
    shapes: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget: str,
    asked: int,
    pace: float,
    variants: int,
) -> None:
    found = cached_pace(shapes, monkeypatch, budget, asked)
    assert found == (pytest.approx(pace, rel=5e-3), variants)


@pytest.mark.parametrize(
    ("slow", "settings", "pace"),
    [
        # Maps of 4 pictures take 2 s, and to load and augment them another 2: 24 s of 60.
        ((DetectionDataset, "__getitem__"), {"cache": "none"}, 36 / 60 * 8),
        # By two processes 1: 18 s.
        ((DetectionDataset, "__getitem__"), {"cache": "none", "workers": 2}, 42 / 60 * 8),
        # To decode all 12 once takes 6 s, however often they are augmented: 18 s.
        ((_Decoder, "__call__"), {"cache": "ram"}, 42 / 60 * 8),
    ],
)
def test_loading_is_a_part_of_the_filling(
    shapes: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow: tuple[type[Any], str],
    settings: dict[str, Any],
    pace: float,
) -> None:
    found = cached_pace(shapes, monkeypatch, "60s", 1, slow=slow, **settings)
    assert found == (pytest.approx(pace, rel=5e-3), 1)


def test_a_budget_that_the_filling_takes_is_refused(
    shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"feature_cache takes about 12 s of .* 13 s, for 1 of"):
        cached_pace(shapes, monkeypatch, "13s", 3)


def test_a_resumed_run_keeps_its_variants_or_is_refused(
    shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five variants and one without mosaic take 36 s: more than half, but a tenth is left.
    with monkeypatch.context() as patch:
        found = cached_pace(shapes, patch, "60s", 5, fewer_variants=False)
    assert found == (pytest.approx(24 / 60 * 8, rel=5e-3), 5)
    with pytest.raises(
        ConfigError, match=r"takes about 36 s of .* 38 s, for 5 of .*train\.epochs$"
    ):
        cached_pace(shapes, monkeypatch, "38s", 5, fewer_variants=False)


def cached_pace(
    shapes: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget: str,
    variants: int,
    *,
    slow: tuple[type[Any], str] | None = None,
    cache: str = "auto",
    workers: int = 0,
    **options: bool,
) -> Measured:
    """What is measured where maps of a batch take two seconds and a step without backbone half.

    ``slow`` takes half a second a call as well.
    """
    seconds = 0.0

    def slower(owner: type[Any], name: str, by: float) -> None:
        whole = getattr(owner, name)

        def timed(*arguments: Any) -> Any:
            nonlocal seconds
            seconds += by
            return whole(*arguments)

        monkeypatch.setattr(owner, name, timed)

    slower(Backbone, "forward", 2.0)
    slower(Detector, "from_features", SECONDS)
    if slow:
        slower(*slow, SECONDS)
    train_set = CocoDataset.load(choose_split(shapes, "train"))
    frozen = config(budget, feature_cache=variants, workers=workers).model_dump()
    frozen["model"]["backbone"]["trainable_stages"] = 0
    frozen["data"]["cache"] = cache
    settings = resolve(
        validate_config(frozen, "test"), train_sizes=train_set.sizes_hw, val_images=2
    )
    return measure_pace(settings, train_set, accelerator="cpu", now=lambda: seconds, **options)


def test_measuring_leaves_the_random_numbers_as_they_are(
    shapes: Path, clock: dict[str, Any]
) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    measured(shapes, "20s", clock)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_budget_is_planned_by_the_pace() -> None:
    def seen(pace: object) -> tuple[int, object]:
        tree = {"train": {"time_budget": "1h", "pace": pace}, "data": {"image_size": 320}}
        chosen = resolve(
            validate_config(tree, "test"), train_sizes=np.full((100, 2), 320), val_images=0
        )
        return chosen.train.batch_size, chosen.model.backbone.trainable_stages

    assert seen(2.0) == (8, 3)  # 7,200 pictures: 72 passes
    assert seen(20.0) == (16, "all")  # 72,000 pictures: 720 passes


@pytest.mark.slow
def test_what_was_measured_is_written_and_not_measured_again(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = yolokit.train(config("4s"), data=shapes, run=tmp_path / "first", device="cpu")
    pace = yaml.safe_load((run / "config.yaml").read_text())["train"]["pace"]
    assert isinstance(pace, float) and pace > 0

    def never(*_: object, **__: object) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr(training, "measure_pace", never)
    again = yolokit.train(run / "config.yaml", run=tmp_path / "again", device="cpu")
    assert (again / "config.yaml").read_text() == (run / "config.yaml").read_text()


def test_epochs_need_no_pace(shapes: Path, tmp_path: Path) -> None:
    settings = config("4s", epochs=1).model_dump()
    settings["train"]["time_budget"] = None
    run = yolokit.train(
        validate_config(settings, "test"), data=shapes, run=tmp_path / "run", device="cpu"
    )
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["pace"] is None
