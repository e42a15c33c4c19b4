"""Loggers get what ``metrics.csv`` holds, read back by the readers of the packages themselves."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lightning.pytorch import Callback

import yolokit
from yolokit.api import resume_training
from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.engine.logger_kinds import mlflow_names
from yolokit.errors import ConfigError, YolokitError
from yolokit.synthesis.dataset import synthesise

PACKAGES = ("tensorboard", "wandb", "mlflow")
INSTALLED = tuple(name for name in PACKAGES if find_spec(name) is not None)
# Nothing of these tests leaves the machine.
QUIET = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
VARIABLES = ("WANDB_PROJECT", "WANDB_DIR", "WANDB_NAME", "MLFLOW_EXPERIMENT_NAME", "WANDB_RUN_ID")

BLOCK, FULL, LAST = 32768, 1, 4  # of LevelDB's log: bytes; kinds of frames, 2 and 3 go on

TIMES = ("seconds", "data_wait")  # of an epoch that was trained twice

Points = dict[str, list[tuple[int, float]]]  # name -> (step, value), as they were written


def needs(package: str) -> None:
    pytest.importorskip(package, reason=f"the package {package} is not installed (extra {package})")


def tree(**train: object) -> dict[str, Any]:
    return {
        "model": {
            "head": {"type": "yolov1", "grid_size": 4, "channels": 32},
            "backbone": {"name": "squeezenet1_1", "weights": "none"},
        },
        "data": {"image_size": 64},
        "train": {"epochs": 3, "batch_size": 4, "workers": 0, "validate_every": 1, **train},
    }


def config(**train: object) -> Config:
    return validate_config(tree(**train), "test")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 2, 0), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


class Place(NamedTuple):
    """A run, and where MLflow keeps its own."""

    run: Path
    store: Path

    @property
    def rows(self) -> list[dict[str, str]]:
        with (self.run / "metrics.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def quiet_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory in which nobody has settings of their own."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/numbers.db")
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def logged(shapes: Path, quiet_place: Path) -> Place:
    """A run with all loggers that are installed."""
    on = dict.fromkeys(INSTALLED, True)
    run = quiet_place / "logged"
    yolokit.train(config(**on), data=shapes, run=run, device="cpu", quiet=True)
    return Place(run, quiet_place / "numbers.db")


@pytest.fixture(scope="module")
def resumed(shapes: Path, quiet_place: Path) -> Place:
    """The same, killed in its third epoch after a checkpoint in the first, and resumed."""
    run, store = quiet_place / "resumed", quiet_place / "resumed.db"
    script = quiet_place / "killed.py"
    settings = tree(**dict.fromkeys(INSTALLED, True), checkpoint_seconds=0)
    script.write_text(
        KILLED.format(tree=settings, data=str(shapes), run=str(run), root=str(quiet_place))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
        patch.delenv("WANDB_SERVICE", raising=False)  # of this process's own runs
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        (quiet_place / "kept.ckpt").replace(run / "last.ckpt")
        resume_training(run, device="cpu", quiet=True)
    return Place(run, store)


KILLED = """
import os, shutil, signal, yolokit
from lightning.pytorch import Callback
from yolokit.config_file import validate_config

class Killed(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 0:
            shutil.copy({run!r} + "/last.ckpt", {root!r} + "/kept.ckpt")  # of the first epoch's end
        if trainer.current_epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

yolokit.train(
    validate_config({tree!r}, "test"),
    data={data!r}, run={run!r}, device="cpu", quiet=True, callbacks=[Killed()],
)
"""


def tensorboard_points(run: Path) -> Points:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in names}


def wandb_records(run: Path) -> list[Any]:
    """What all offline sessions of a run wrote, in order, in wandb's own messages.

    Its only reader is a program that sends them to its servers; the frames are LevelDB's.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    paths = sorted(run.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
    return [Record.FromString(each) for path in paths for each in frames(path.read_bytes())]


def frames(log: bytes) -> Iterator[bytes]:
    """The entries of a log in LevelDB's format, behind wandb's own seven bytes."""
    at, parts = 7, []
    while at + 7 <= len(log):
        left = BLOCK - at % BLOCK
        if left < 7:  # a header does not fit into this block any more
            at += left
            continue
        length, kind = struct.unpack_from("<HB", log, at + 4)
        if kind == 0:
            return
        parts.append(log[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (FULL, LAST):
            yield b"".join(parts)
            parts = []


def wandb_points(run: Path) -> Points:
    points: Points = {}
    for record in wandb_records(run):
        items = {i.key or i.nested_key[0]: i.value_json for i in record.history.item}
        step = items.pop("trainer/global_step", None)
        for name, text in items.items():
            if step is not None and not name.startswith("_"):
                points.setdefault(name, []).append((int(step), float(json.loads(text))))
    return points


def mlflow_run(store: Path, name: str) -> Any:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("yolokit")
    found = client.search_runs([experiment.experiment_id])
    (run,) = (each for each in found if each.info.run_name == name)
    return client, run


def mlflow_points(place: Place) -> Points:
    client, run = mlflow_run(place.store, place.run.name)
    points = {}
    for name in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, name)
        points[name] = [(each.step, each.value) for each in history]
    return points


READERS: dict[str, Callable[[Place], Points]] = {
    "tensorboard": lambda place: tensorboard_points(place.run),
    "wandb": lambda place: wandb_points(place.run),
    "mlflow": mlflow_points,
}


def require_all_numbers(points: Points, place: Place) -> None:
    """Each row of metrics.csv is there, once; so are AP per class and the kept model's AP."""
    steps = [int(row["step"]) for row in place.rows]
    assert steps == [2, 4, 6]
    columns = {name for name in place.rows[0] if name not in ("epoch", *TIMES)}
    assert {"loss", "lr", "AP", "AP50", "AP75"} <= columns
    for name in columns:
        expected = [(step, float(row[name])) for step, row in zip(steps, place.rows, strict=True)]
        found = points[name]
        assert [step for step, _ in found] == steps, name
        assert [value for _, value in found] == pytest.approx(
            [value for _, value in expected], rel=1e-5
        ), name
    report = json.loads((place.run / "evaluation.json").read_text())
    for name in ("AP", "AP50", "AP75"):
        ((step, value),) = points[f"kept/{name}"]
        assert step == steps[-1] and value == pytest.approx(report[name], rel=1e-5)
    defined = {k: v for k, v in report["per_class"].items() if v["AP"] is not None}
    assert defined
    for name, scores in defined.items():
        assert [step for step, _ in points[f"AP/{name}"]] == steps
        assert points[f"kept/AP/{name}"][0][1] == pytest.approx(scores["AP"], rel=1e-5)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_logger_gets_every_number(package: str, request: pytest.FixtureRequest) -> None:
    needs(package)
    place: Place = request.getfixturevalue("logged")
    require_all_numbers(READERS[package](place), place)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_killed_and_resumed_run_has_each_step_once(
    package: str, request: pytest.FixtureRequest
) -> None:
    needs(package)
    place: Place = request.getfixturevalue("resumed")
    require_all_numbers(READERS[package](place), place)


@pytest.mark.slow
def test_a_killed_and_resumed_run_of_wandb_is_the_same_run(request: pytest.FixtureRequest) -> None:
    """Offline it writes every 15 seconds: a kill costs what came after that."""
    needs("wandb")
    place: Place = request.getfixturevalue("resumed")
    steps = [step for step, _ in wandb_points(place.run)["loss"]]
    assert steps in ([6], [4, 6], [2, 4, 6])
    runs = [record.run for record in wandb_records(place.run) if record.HasField("run")]
    assert len({run.run_id for run in runs}) == 1
    assert len(list(place.run.glob("wandb/offline-run-*"))) == 2
    assert {run.project for run in runs} == {"yolokit"}
    assert {run.display_name for run in runs} == {"resumed"}


def test_wandb_has_the_settings(logged: Place) -> None:
    needs("wandb")
    updates = [each for record in wandb_records(logged.run) for each in record.run.config.update]
    settings = {each.key: json.loads(each.value_json) for each in updates}
    records = [each for record in wandb_records(logged.run) for each in record.config.update]
    settings |= {each.key: json.loads(each.value_json) for each in records}
    assert settings["train.batch_size"] == 4
    assert settings["model.backbone.name"] == "squeezenet1_1"


@pytest.mark.slow
def test_mlflow_has_the_settings_and_the_end(logged: Place, resumed: Place) -> None:
    needs("mlflow")
    for place in (logged, resumed):
        _, run = mlflow_run(place.store, place.run.name)
        assert run.info.status == "FINISHED"
        assert run.data.params["train.batch_size"] == "4"
        assert run.data.params["model.backbone.name"] == "squeezenet1_1"


def test_loggers_change_no_weight(logged: Place, shapes: Path, tmp_path: Path) -> None:
    plain = yolokit.train(config(), data=shapes, run=tmp_path / "plain", device="cpu", quiet=True)
    weights = (plain / "model.safetensors").read_bytes()
    assert (logged.run / "model.safetensors").read_bytes() == weights


def test_what_is_not_asked_for_leaves_nothing(logged: Place, quiet_place: Path) -> None:
    """Beside the run and MLflow's store; two runs in one process do not share one of wandb's."""
    found = {path.name for path in quiet_place.iterdir()}
    assert found <= {
        *("logged", "resumed", "killed.py", "numbers.db", "resumed.db", "mlruns"),
    }
    known = json.loads((logged.run / "loggers.json").read_text())
    assert set(known) == set(INSTALLED)


def test_mlflow_without_an_address_writes_where_its_own_commands_look(
    shapes: Path, quiet_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("mlflow")
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    run = yolokit.train(
        config(mlflow=True, epochs=1), data=shapes, run=Path("run"), device="cpu", quiet=True
    )
    assert mlflow.get_tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    assert "MLFLOW_TRACKING_URI" not in os.environ and not mlflow.is_tracking_uri_set()
    assert len(mlflow_points(Place(run, tmp_path / "mlflow.db"))["loss"]) == 1


def test_a_logger_that_cannot_begin_ends_no_training(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs("tensorboard")
    run = tmp_path / "run"
    run.mkdir()
    (run / "tensorboard").write_text("in the way")
    yolokit.train(
        config(tensorboard=True, epochs=1), data=shapes, run=run, device="cpu", quiet=True
    )
    assert (run / "report.html").is_file()
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    (line,) = said
    assert line.startswith("warning: tensorboard takes no numbers of this training any more (")
    assert f"{run}/metrics.csv has them all" in line


class Dropped(Callback):
    """Takes MLflow's table of metrics away after the first epoch, as a broken disk would."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 0:
            with sqlite3.connect(self.store) as connection:
                connection.execute("drop table metrics")


def test_a_logger_that_fails_later_ends_no_training_and_says_so_once(
    shapes: Path,
    quiet_place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs("mlflow")
    store, run = tmp_path / "broken.db", tmp_path / "run"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    yolokit.train(
        config(mlflow=True),
        data=shapes,
        run=run,
        device="cpu",
        quiet=True,
        callbacks=[Dropped(store)],
    )
    assert len(Place(run, store).rows) == 3 and (run / "report.html").is_file()
    said = [line for line in capsys.readouterr().err.splitlines() if "warning: mlflow" in line]
    assert len(said) == 1 and "metrics" in said[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_not_installed_is_told_before_the_data_is_read(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    settings = tree(**{package: True})
    settings["data"]["train"] = {"images": "nowhere", "annotations": "nowhere.json"}
    with pytest.raises(
        ConfigError, match=rf"{package} is not installed, .*train\.{package}.* pip install"
    ):
        yolokit.train(validate_config(settings, "test"), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_of_mlflow_are_plain_and_each_another() -> None:
    assert mlflow_names(["AP/fish", "AP/a:b", "AP/a;b"]) == ["AP/fish", "AP/a_b", "AP/a_b 2"]
    (name,) = mlflow_names(["AP/金鱼"])
    assert name == "AP/JinYu"
    assert mlflow_names(["a:", "a;", "a_ 2"]) == ["a_", "a_ 2", "a_ 2 2"]


def test_damaged_ids_of_experiments_are_told(shapes: Path, tmp_path: Path) -> None:
    needs("tensorboard")
    run = tmp_path / "run"
    run.mkdir()
    (run / "loggers.json").write_text("[1")
    with pytest.raises(YolokitError, match=r"loggers\.json does not name .* Move it away"):
        yolokit.train(config(tensorboard=True), data=shapes, run=run, device="cpu", quiet=True)


def test_a_run_killed_before_its_first_checkpoint_begins_its_table_anew(
    shapes: Path, tmp_path: Path
) -> None:
    run = yolokit.train(
        config(epochs=1), data=shapes, run=tmp_path / "run", device="cpu", quiet=True
    )
    (run / "last.ckpt").unlink()
    resume_training(run, device="cpu", quiet=True)
    assert [row["epoch"] for row in Place(run, run).rows] == ["1"]
