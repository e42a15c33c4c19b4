"""What --resume does with a run that has ended, with damaged states, and with changed data."""

from __future__ import annotations

import errno
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import yolokit
from yolokit.api import resume_training
from yolokit.engine.checkpoints import StateFile
from yolokit.engine.saved_state import ResumeError, read_saved
from yolokit.errors import ConfigError, DataError, YolokitError
from yolokit.synthesis.dataset import synthesise

TINY = ("data.image_size=64", "train.batch_size=4", "train.epochs=2", "train.workers=0")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, four to validate on."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


@pytest.fixture(scope="module")
def ended(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs whose backbone's weight file is gone."""
    import torchvision

    folder = tmp_path_factory.mktemp("runs")
    weights = folder / "squeezenet.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), weights)
    overrides = [*TINY, f"model.backbone.weights={weights}"]
    run = yolokit.train(
        "quickstart", data=shapes, run=folder / "run", overrides=overrides, device="cpu"
    )
    weights.unlink()
    return run


@pytest.fixture
def run(ended: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to do anything to."""
    return shutil.copytree(ended, tmp_path / "run")


def content(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


def test_an_ended_run_stays_as_it_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(run)
    resume_training(run, device="cpu")
    assert content(run) == before
    (line,) = capsys.readouterr().out.splitlines()
    assert "is done: 2 epochs are trained" in line


def test_more_epochs_train_an_ended_run_on_without_its_weight_file(run: Path) -> None:
    resume_training(run, overrides=["train.epochs=4"], device="cpu")
    rows = (run / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3", "4"]
    assert read_saved(run / "last.ckpt").epochs == 4
    assert "epochs: 4" in (run / "config.yaml").read_text()


def test_fewer_epochs_than_trained_are_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="has trained 2 epochs"):
        resume_training(run, overrides=["train.epochs=1"], device="cpu")


def test_a_best_model_that_was_taken_away_is_replaced(run: Path) -> None:
    state = torch.load(run / "last.ckpt", weights_only=True)
    state["callbacks"]["Validation"]["best_ap"] = 0.99  # nothing that follows is as good
    torch.save(state, run / "last.ckpt")
    (run / "model.safetensors").unlink()
    resume_training(run, overrides=["train.epochs=3"], device="cpu")
    assert yolokit.load(run).card.metrics["epoch"] == 3
    assert (run / "report.html").is_file()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("optimizer: adamw", "optimizer: sgd", "train.optimizer was 'adamw' and is 'sgd'"),
        ("batch_size: 4\n", "batch_size: 3\n", "train.batch_size was 4 and is 3"),
        ("seed: 0", "seed: 5", "train.seed was 0 and is 5"),
        ("hflip: 0.5", "hflip: 0", "augment.hflip was 0.5 and is 0.0"),
        ("max_detections: 100", "max_detections: 10", "predict.max_detections was 100 and is 10"),
    ],
)
def test_changed_settings_are_refused_by_name(run: Path, old: str, new: str, told: str) -> None:
    text = (run / "config.yaml").read_text()
    assert old in text
    (run / "config.yaml").write_text(text.replace(old, new))
    before = content(run)
    with pytest.raises(ConfigError, match="have changed since it started") as caught:
        resume_training(run, overrides=["train.epochs=3"], device="cpu")
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert content(run) == before


def test_a_state_of_an_earlier_version_says_nothing_of_settings(run: Path) -> None:
    state = torch.load(run / "last.ckpt", weights_only=True)
    del state["yolokit"]["settings"]
    torch.save(state, run / "last.ckpt")
    resume_training(run, overrides=["train.epochs=3"], device="cpu")
    assert read_saved(run / "last.ckpt").settings is not None


def test_a_state_from_before_there_was_a_feature_cache_goes_on_without_one(run: Path) -> None:
    state = torch.load(run / "last.ckpt", weights_only=True)
    del state["yolokit"]["settings"]["train.feature_cache"]
    torch.save(state, run / "last.ckpt")
    resume_training(run, overrides=["train.epochs=3"], device="cpu")
    assert read_saved(run / "last.ckpt").epochs == 3


def test_maps_that_an_ended_run_left_go_when_it_is_looked_at(run: Path) -> None:
    (run / "features").mkdir()
    (run / "features" / "level2.f16").write_bytes(b"maps")
    (run / ".features-12345678.part").mkdir()  # of a session that was killed before
    resume_training(run, device="cpu")
    assert not [path for path in run.iterdir() if "features" in path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_is_a_full_disk_and_no_error_of_torchs() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        StateFile().save_checkpoint({"weights": torch.zeros(10_000)}, "/dev/full")
    assert caught.value.errno == errno.ENOSPC


def test_data_that_moved_is_followed_and_changed_data_is_refused(
    run: Path, shapes: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(shapes, tmp_path / "moved")
    resume_training(run, data=moved, overrides=["train.epochs=3"], device="cpu")
    assert str(moved) in (run / "config.yaml").read_text()

    file = moved / "annotations/instances_train.json"
    tree = json.loads(file.read_text())
    before = content(run)
    swapped = json.loads(file.read_text())
    first, second = swapped["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]
    fewer = {**tree, "annotations": tree["annotations"][1:]}
    val = moved / "annotations/instances_val.json"
    labels = json.loads(val.read_text())
    for changed, said in ((swapped, "the classes of"), (fewer, "pictures or boxes of")):
        file.write_text(json.dumps(changed))
        val.write_text(json.dumps({**labels, "categories": changed["categories"]}))
        with pytest.raises(DataError, match=f"{said}.*changed since this run started.*--from"):
            resume_training(run, overrides=["train.epochs=5"], device="cpu")
    assert content(run) == before


def test_a_changed_val_split_is_refused_too(run: Path, shapes: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(shapes, tmp_path / "changed")
    file = changed / "annotations/instances_val.json"
    tree = json.loads(file.read_text())
    file.write_text(json.dumps({**tree, "annotations": tree["annotations"][1:]}))
    before = content(run)
    with pytest.raises(DataError, match=r"to validate on of .*instances_val\.json have changed"):
        resume_training(run, data=changed, overrides=["train.epochs=5"], device="cpu")
    file.unlink()
    with pytest.raises(DataError, match="to validate on have changed"):
        resume_training(run, data=changed, overrides=["train.epochs=5"], device="cpu")
    assert content(run) == before


def _edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)

    return damage


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Path("a class of Python's")))


def _other_classes(state: dict[str, Any]) -> None:
    for name in ("state_dict", "current_model_state"):
        for key, value in state[name].items():
            if value.ndim and "head.predict" in key:
                state[name][key] = value[:-1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"junk" * 999),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        _pickled,
        _edited(lambda state: state.pop("loops")),
        _edited(lambda state: state.pop("optimizer_states")),
        _edited(lambda state: state["yolokit_progress"].update(elapsed="soon")),
        _edited(lambda state: state["yolokit_progress"].update(elapsed=float("nan"))),
        _edited(lambda state: next(iter(state["state_dict"].values())).fill_(float("nan"))),
        _edited(lambda state: state["callbacks"]["Validation"].update(best_ap="high")),
        _edited(lambda state: state["state_dict"].popitem()),
        _edited(_other_classes),
    ],
    ids=[
        "empty",
        "junk",
        "half",
        "pickle",
        "loops",
        "optimizer",
        "text",
        "nan",
        "weights",
        "callback",
        "key",
        "classes",
    ],
)
def test_a_damaged_state_is_one_line_that_says_what_to_do(
    damage: Callable[[Path], None], run: Path
) -> None:
    damage(run / "last.ckpt")
    with pytest.raises(ResumeError, match=r"last\.ckpt is damaged.*Delete it") as caught:
        resume_training(run, overrides=["train.epochs=3"], device="cpu")
    assert isinstance(caught.value, YolokitError)
    assert "\n" not in str(caught.value)
