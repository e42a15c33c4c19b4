"""A training from kept feature maps is the training of the frozen detector, up to 16 bits."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
import yaml

import yolokit
from yolokit.api import resume_training
from yolokit.backbones.backbone import Backbone
from yolokit.config import Config
from yolokit.config_file import dump_config, validate_config
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split
from yolokit.engine import feature_store, training
from yolokit.engine.feature_plan import FeaturePlan, plan_features
from yolokit.engine.feature_settings import require_one_process
from yolokit.engine.feature_store import FeatureStore, Kept
from yolokit.engine.isolation import isolated
from yolokit.engine.pace import measure_pace
from yolokit.engine.parts import mosaic_rule
from yolokit.engine.reading import with_data
from yolokit.engine.recipe import resolve
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.sampling import epoch_order
from yolokit.engine.schedule import Clock, Progress
from yolokit.engine.training import fit
from yolokit.errors import ConfigError, DataError, YolokitError
from yolokit.models.detector import Detector
from yolokit.models.model_file import load_model
from yolokit.signals import SignalWatch
from yolokit.synthesis.dataset import synthesise
from yolokit.types import FeatureBatch, Truth

EPOCHS = 5
TREE: dict[str, dict[str, Any]] = {
    "model": {
        "head": {"type": "yolo", "width": 16, "tower_depth": 1},
        "backbone": {"name": "resnet18", "weights": "none", "trainable_stages": 0},
    },
    "data": {"image_size": 64},
    # Mosaic ends after 9 of 15 batches: inside the fourth epoch.
    "augment": {"mosaic": 0.5, "close_mosaic": 0.4, "noise": 0.2, "crop": 0.3},
    "train": {"epochs": EPOCHS, "batch_size": 4, "workers": 0, "validate_every": 2},
}
MakeConfig = Callable[..., Config]


def config(**sections: dict[str, object]) -> Config:
    """The tiny config with some keys of some sections changed."""
    tree = {name: {**part, **sections.get(name, {})} for name, part in TREE.items()}
    return validate_config(tree, "test")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen tiny training pictures: three batches of four, and two pictures that wait."""
    folder = tmp_path_factory.mktemp("features") / "set"
    synthesise(folder, images=(14, 4, 2), size_hw=(64, 80), classes=2, seed=5, video=False)
    return folder


class Seen(lightning.Callback):
    """Notes what each step was trained on, and its loss."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.image_ids: list[list[Any]] = []
        self.boxes: list[torch.Tensor] = []
        self.features: list[list[torch.Tensor]] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(float(outputs["loss"]))
        self.image_ids.append(list(batch.image_ids))
        self.boxes.append(torch.cat([truth.boxes for truth in batch.truths]))
        if isinstance(batch, FeatureBatch):
            self.features.append([each.clone() for each in batch.features])


def trained(shapes: Path, run: Path, **sections: dict[str, object]) -> Seen:
    seen = Seen()
    yolokit.train(config(**sections), data=shapes, run=run, device="cpu", callbacks=[seen])
    return seen


class Maps:
    """Notes what the backbone makes in training, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[list[torch.Tensor]] = []
        forward = Backbone.forward

        def noted(backbone: Backbone, x: torch.Tensor) -> list[torch.Tensor]:
            maps = forward(backbone, x)
            if backbone.training:
                self.found.append(maps)
            return maps

        monkeypatch.setattr(Backbone, "forward", noted)


@pytest.mark.parametrize("accumulate", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_as_many_variants_as_epochs_train_as_without_a_cache(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    with monkeypatch.context() as patch:
        maps = Maps(patch).found
        plain = trained(shapes, tmp_path / "plain", train={"accumulate": accumulate})
    train = {"accumulate": accumulate, "feature_cache": EPOCHS}
    cached = trained(shapes, tmp_path / "cached", train=train)
    assert len(plain.losses) == len(maps) == 3 * EPOCHS
    assert cached.image_ids == plain.image_ids
    for ours, theirs in zip(cached.boxes, plain.boxes, strict=True):
        assert torch.equal(ours, theirs)  # also where mosaic ends
    for features, found in zip(cached.features, maps, strict=True):
        read = [each.numel() > 0 for each in features]
        assert read == [level.shape[2] <= 8 for level in found]  # strides 8, 16, 32 of 64 px
        for mine, its in zip(features, found, strict=True):
            if mine.numel():
                assert torch.equal(mine, its.half().float())
                assert mine.is_contiguous(memory_format=torch.channels_last)
    assert cached.losses[0] == pytest.approx(plain.losses[0], rel=1e-4)  # float16: 2^-11 a number
    assert cached.losses == pytest.approx(plain.losses, rel=5e-3)  # fifteen steps of it


def test_variants_take_turns(shapes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    seen = trained(shapes, run, train={"feature_cache": 2}, augment={"mosaic": 0})
    per_epoch = [seen.image_ids[start : start + 3] for start in range(0, 3 * EPOCHS, 3)]
    assert len({tuple(map(tuple, epoch)) for epoch in per_epoch}) == EPOCHS  # orders of their own
    maps = [{} for _ in range(EPOCHS)]  # type: list[dict[Any, torch.Tensor]]
    for step, (image_ids, features) in enumerate(zip(seen.image_ids, seen.features, strict=True)):
        maps[step // 3] |= dict(zip(image_ids, features[-1], strict=True))
    for earlier, later in ((0, 2), (1, 3), (2, 4), (0, 1)):
        both = maps[earlier].keys() & maps[later].keys()
        same = {torch.equal(maps[earlier][each], maps[later][each]) for each in both}
        assert same == {(later - earlier) == 2}


def test_the_final_model_is_a_normal_one_and_scores_what_was_said(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    trained(shapes, run, train={"epochs": 1, "feature_cache": 9})
    said = capsys.readouterr().out
    assert "making 12 feature maps (0.0 GB)" in said  # one epoch of three batches, no more
    assert said.index("making 12") < said.index("epoch 1/1")
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "evaluation.json", "last.ckpt", "metrics.csv", "model.safetensors"),
        "report.html",
    }
    detector, card = load_model(run / "model.safetensors")
    assert card.metrics["AP"] == yolokit.evaluate(run, data=shapes, split="val", device="cpu").AP
    assert sum(each.numel() for each in detector.backbone.parameters()) > 10**7


@pytest.mark.slow
def test_loading_processes_change_nothing(shapes: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "none", tmp_path / "two"]
    for run, workers in zip(runs, (0, 2), strict=True):
        trained(shapes, run, train={"epochs": 2, "feature_cache": 1, "workers": workers})
    first, second = (load_model(run / "model.safetensors")[0].state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("sections", "keys"),
    [
        ({"model": {"backbone": {"weights": "none", "trainable_stages": 1}}}, "trainable_stages"),
        ({"model": {"backbone": {"weights": "none"}}}, "trainable_stages is auto"),
        (
            {"model": {"backbone": {"trainable_stages": 0, "unfreeze_epoch": 3}}},
            "unfreeze_epoch is 3",
        ),
        ({"augment": {"multi_scale": 0.2}}, "augment.multi_scale is 0.2"),
        ({"train": {"start_size": 0.5}}, "train.start_size is 0.5"),
    ],
)
def test_what_would_change_the_maps_is_refused(
    shapes: Path, sections: dict[str, dict[str, object]], keys: str
) -> None:
    train = {**sections.get("train", {}), "feature_cache": 2}
    with pytest.raises(ConfigError, match=rf"train\.feature_cache.*{keys}") as caught:
        yolokit.train(config(**{**sections, "train": train}), data=shapes)
    assert "\n" not in str(caught.value)


def test_several_processes_are_refused() -> None:
    require_one_process(config(), 2)
    require_one_process(config(train={"feature_cache": 1}), 1)
    with pytest.raises(ConfigError, match="one process, and this training has 2"):
        require_one_process(config(train={"feature_cache": 1}), 2)


def test_a_disk_without_room_is_one_line_before_anything_is_written(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, "_KEPT_FREE", 10**18)  # no disk has that much to spare
    with pytest.raises(DataError, match=r"feature_cache needs 0\.0 GB for 12 maps.*to spare") as e:
        trained(shapes, tmp_path / "run", train={"epochs": 1, "feature_cache": 1})
    assert "\n" not in str(e.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of files' sizes")
def test_a_disk_that_fills_up_is_one_line_and_leaves_no_half(shapes: Path, tmp_path: Path) -> None:
    import resource

    (tmp_path / "config.yaml").write_text(dump_config(config(train={"feature_cache": 1})))
    words = [tmp_path / "config.yaml", "--data", shapes, "--run", tmp_path / "run"]
    most = 100_000  # bytes a file: a level of 12 pictures takes 12 * 8 * 8 * 128 * 2 = 196,608
    done = subprocess.run(
        [sys.executable, "-m", "yolokit", "train", *map(str, words), "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "level2.f16: File too large. Make room there" in last
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "run").iterdir() if "features" in path.name]


@pytest.mark.parametrize(("value", "said"), [(1e5, "reach 1e.05"), (float("nan"), "reach inf")])
def test_numbers_beyond_16_bits_are_refused_by_the_pictures_name(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, said: str
) -> None:
    forward = Backbone.forward

    def huge(backbone: Backbone, x: torch.Tensor) -> list[torch.Tensor]:
        found = forward(backbone, x)
        found[-1][2, 0, 0, 0] = value
        return found

    monkeypatch.setattr(Backbone, "forward", huge)
    looked_at = sorted(epoch_order(14, 0, 0)[:12].tolist())
    name = CocoDataset.load(choose_split(shapes, "train")).image_path(looked_at[2]).name
    with pytest.raises(DataError, match=rf"{name} {said}.*65504"):
        train = {"epochs": 1, "feature_cache": 1, "precision": "32"}  # bf16 would say 9.98e+04
        trained(shapes, tmp_path / "run", train=train, augment={"mosaic": 0})
    assert not list((tmp_path / "run").glob("*features*"))
    assert not list((tmp_path / "run").glob(".features*"))


def test_a_budget_has_variants_with_and_without_mosaic(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    compute = Detector.from_features

    def timed(detector: Detector, *arguments: Any) -> Any:
        nonlocal seconds
        seconds += 1.0 * detector.training
        return compute(detector, *arguments)

    monkeypatch.setattr(Detector, "from_features", timed)
    # At 4 pictures a second 60 s are 17 epochs: room for both variants, and one without mosaic.
    train = {"time_budget": "60s", "pace": 4.0, "feature_cache": 2}
    seen = Seen()
    with SignalWatch() as signals, isolated():
        fit(
            with_data(config(train=train), shapes),
            RunFolder(tmp_path),
            device="cpu",
            signals=signals,
            clock=Clock(now=lambda: seconds),
            callbacks=[seen],
        )
    assert 50 < len(seen.losses) <= 60  # of a second each; set-up and validations take none
    maps: dict[Any, list[torch.Tensor]] = {}
    for image_ids, features in zip(seen.image_ids, seen.features, strict=True):
        for each, found in zip(image_ids, features[-1], strict=True):
            if not any(torch.equal(found, known) for known in maps.setdefault(each, [])):
                maps[each].append(found)
    assert {len(found) for found in maps.values()} == {2 + 1}


def test_a_plan_names_what_is_asked_for_and_refuses_the_rest() -> None:
    rows = np.array([[[-1, 0]], [[1, 2]]], dtype=np.int32)
    plan = FeaturePlan(rows, (1, 1))
    assert len(plan) == 3
    assert plan.samples() == [(0, 1, False), (0, 0, True), (0, 1, True)]
    assert [plan.row(7, *each[1:]) for each in plan.samples()] == [0, 1, 2]
    with pytest.raises(IndexError):
        plan.row(0, 0, False)


def test_a_budget_that_was_used_up_goes_on_with_mosaic_where_that_never_ends() -> None:
    augment = {"mosaic": 1.0, "close_mosaic": 0.0}
    train = {"time_budget": "2s", "pace": 100.0, "feature_cache": 2}
    settings = resolve(
        config(augment=augment, train=train), train_sizes=np.full((14, 2), 64), val_images=0
    )
    spent = Progress(Clock(), 2.0, 0)
    spent.load_state_dict({**spent.state_dict(), "share": 1.0})
    mosaic = mosaic_rule(settings, spent)
    plan = plan_features(settings, 14, mosaic)
    assert plan.row(0, 3, mosaic(0)) == 3


# Trains as asked, and kills itself where it is told: in a batch of the filling, or in a step.
KILLED = """
import os, signal, sys
from pathlib import Path
import yolokit
from yolokit.backbones.backbone import Backbone
from yolokit.engine.module import DetectionModule
from yolokit.api import resume_training

kind, name, at, data, run = sys.argv[1:6]
owner = {"Backbone": Backbone, "DetectionModule": DetectionModule}[kind]
whole, calls = getattr(owner, name), 0

def counted(*arguments, **named):
    global calls
    calls += 1
    if calls == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments, **named)

setattr(owner, name, counted)
if Path(run).exists():
    resume_training(run, device="cpu")
else:
    yolokit.train(sys.argv[6], data=data, run=run, device="cpu")
"""


def killed(tmp_path: Path, shapes: Path, owner: str, name: str, at: int) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    words = [owner, name, at, shapes, tmp_path / "cut", tmp_path / "config.yaml"]
    done = subprocess.run(
        [sys.executable, script, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
def test_kills_in_the_filling_and_in_the_training_change_no_bit(
    shapes: Path, tmp_path: Path
) -> None:
    train = {"feature_cache": 2, "checkpoint_seconds": 0, "validate_every": 1}
    settings = config(train=train)
    (tmp_path / "config.yaml").write_text(dump_config(settings))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    yolokit.train(settings, data=shapes, run=whole, device="cpu")
    killed(tmp_path, shapes, "Backbone", "forward", 4)  # of seven batches
    assert list(cut.glob(".features-*.part"))  # half of them
    assert not (cut / "features").exists()
    killed(tmp_path, shapes, "DetectionModule", "training_step", 8)
    made = (cut / "features" / "level3.f16").stat()
    killed(tmp_path, shapes, "DetectionModule", "training_step", 4)
    again = (cut / "features" / "level3.f16").stat()
    assert (again.st_ino, again.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)  # taken, not made
    (cut / "features" / "level4.f16").write_bytes(b"half")  # made anew, then
    resume_training(cut, device="cpu")
    assert not list(cut.glob("*features*")) and not list(cut.glob(".features*"))
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_run_by_epochs_goes_on_by_the_clock(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    trained(shapes, run, train={"epochs": 1, "feature_cache": 4})
    ticks = itertools.count()  # so slow a machine that a new run would make fewer variants

    def slowly(*arguments: Any, **named: Any) -> Any:
        return measure_pace(*arguments, **{**named, "now": lambda: next(ticks) / 10})

    monkeypatch.setattr(training, "measure_pace", slowly)
    resume_training(run, time_budget="8s", device="cpu")
    settings = yaml.safe_load((run / "config.yaml").read_text())["train"]
    assert next(ticks) > 0
    assert (settings["feature_cache"], settings["time_budget"]) == (4, 8.0)


def store_of(folder: Path, rows: int, shape: tuple[int, int, int] = (2, 2, 4)) -> FeatureStore:
    """A filled store of that many pictures, seven boxes each, one level."""
    plan = FeaturePlan(np.arange(2 * rows, dtype=np.int32).reshape(2, 1, rows) - rows, (0, 1))
    kept = Kept(plan=plan, shapes=(shape,), image_hw=(64, 64), image_ids=range(rows))
    store = FeatureStore(folder / "features", kept, torch.float16)
    maps = torch.arange(rows, dtype=torch.float16)[:, None, None, None].expand(rows, *shape)
    boxes = torch.rand((rows, 7, 4), generator=torch.Generator().manual_seed(1))
    store.fill("it", [([maps], [Truth(each, torch.arange(7)) for each in boxes])])
    return store


def test_maps_that_are_there_need_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, 5)
    monkeypatch.setattr(feature_store, "_KEPT_FREE", 10**18)  # no disk has that much to spare
    store.require_room()
    assert store.holds("it")
    (tmp_path / "features" / "level0.f16").write_bytes(b"half")
    with pytest.raises(DataError, match="needs 0"):
        store.require_room()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not list maps")
def test_files_are_let_go_before_they_are_deleted(shapes: Path, tmp_path: Path) -> None:
    class Kept(lightning.Callback):
        """Keeps what the training is made of, as a garbage collector that is late does."""

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            self.trainer = trainer

    kept, settings = Kept(), config(train={"epochs": 1, "feature_cache": 1})
    yolokit.train(settings, data=shapes, run=tmp_path / "run", device="cpu", callbacks=[kept])
    assert ".f16" not in Path("/proc/self/maps").read_text()


def test_truths_are_kept_in_a_few_arrays_and_handed_over_as_copies(tmp_path: Path) -> None:
    store = store_of(tmp_path, 500)
    before = tensors()
    batch = store.__getitems__([(0, 3, True), (0, 499, True), (0, 0, True)])
    assert tensors() - before < 20
    made = torch.rand((500, 7, 4), generator=torch.Generator().manual_seed(1))
    for row, truth in zip([3, 499, 0], batch.truths, strict=True):
        assert torch.equal(truth.boxes, made[row]) and torch.equal(truth.labels, torch.arange(7))
        assert truth.boxes.untyped_storage().nbytes() == truth.boxes.nbytes
        assert truth.labels.untyped_storage().nbytes() == truth.labels.nbytes


def tensors() -> int:
    gc.collect()
    return sum(type(each) is torch.Tensor for each in gc.get_objects())


def test_a_resumed_run_keeps_to_its_cache(shapes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(shapes, run, train={"epochs": 1, "feature_cache": 1})
    with pytest.raises(YolokitError, match=r"train\.feature_cache was 1 and is 0"):
        resume_training(run, overrides=["train.feature_cache=0", "train.epochs=2"], device="cpu")
