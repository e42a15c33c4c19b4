"""Lightning's loggers as a run begins, continues and ends them; each package is imported here."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from anyascii import anyascii
from lightning.pytorch.loggers import Logger

from yolokit.engine.logger_packages import LoggerName
from yolokit.plain_text import without_passwords

Status: TypeAlias = Literal["done", "failed", "stopped"]

_PROJECT = "yolokit"  # that runs are listed under where the environment names no other
_LONGEST_NAME = 200  # characters of a metric; MLflow takes 250
_UNKNOWN_TO_MLFLOW = re.compile(r"[^a-zA-Z0-9_/. -]")
_MLFLOW_URI = "MLFLOW_TRACKING_URI"
_MLFLOW_STATUS = {"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class Begun(NamedTuple):
    """A logger that takes numbers.

    Args:
        logger: Lightning's.
        remembered: what a resumed run needs to go on with the same experiment.
        end: called last, with how the training ended.
        continued: it goes on with an experiment that has its settings already.
    """

    logger: Logger
    remembered: Mapping[str, str]
    end: Callable[[Status], None]
    continued: bool = False


class Kind(NamedTuple):
    """How one kind of logger is used.

    Args:
        begin: begins one in a run's folder, or continues what is remembered; the last: let it
            print no lines of its own.
        names: makes metrics' names fit for it, in order.
        advice: what to do where it cannot begin.
    """

    begin: Callable[[Path, Mapping[str, str], bool], Begun]
    names: Callable[[Iterable[str]], list[str]]
    advice: str


def _tensorboard(folder: Path, remembered: Mapping[str, str], silent: bool) -> Begun:
    from lightning.pytorch.loggers import TensorBoardLogger

    logger = TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
    _ = logger.experiment  # begins here, not in mid-epoch
    return Begun(logger, {}, lambda _status: logger.finalize("success"))


def _wandb(folder: Path, remembered: Mapping[str, str], silent: bool) -> Begun:
    """Its mode, project, entity and so on are what its own variables say.

    A run that the program has under way is taken, and left under way.
    """
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    is_ours = wandb.run is None
    logger = WandbLogger(
        name=None if "WANDB_NAME" in os.environ else folder.resolve().name,
        id=remembered.get("id"),
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        save_dir=os.environ.get("WANDB_DIR", folder),
        settings=wandb.Settings(console="off", silent=silent),
    )
    run = logger.experiment

    def end(status: Status) -> None:
        if is_ours:
            run.finish(exit_code=int(status != "done"))

    return Begun(logger, {"id": run.id}, end)


def _mlflow(folder: Path, remembered: Mapping[str, str], silent: bool) -> Begun:
    """Into the store that MLflow itself would take: MLFLOW_TRACKING_URI, else ./mlflow.db.

    A password in that address is not remembered: folders of runs are shared.
    """
    import mlflow
    from lightning.pytorch.loggers import MLFlowLogger

    is_chosen, found = mlflow.is_tracking_uri_set(), mlflow.get_tracking_uri()
    variable = os.environ.get(_MLFLOW_URI)
    uri = found if is_chosen else remembered.get("uri", found)
    public = without_passwords(uri)
    known = remembered.get("id") if remembered.get("uri") == public else None
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
        run_name=folder.resolve().name,
        tracking_uri=uri,
        run_id=known,
    )
    with _hushed("mlflow", "alembic"):  # they tell of each table of a new store
        try:
            client, run_id = logger.experiment, str(logger.run_id)
        finally:
            mlflow.set_tracking_uri(None)  # the logger set it for all, in the variable too
            if variable is not None:
                os.environ[_MLFLOW_URI] = variable
    if known:
        client.update_run(run_id, status="RUNNING")
    return Begun(
        logger,
        {"id": run_id, "uri": public},
        lambda status: client.set_terminated(run_id, _MLFLOW_STATUS[status]),
        continued=known is not None,
    )


def mlflow_names(names: Iterable[str]) -> list[str]:
    """Names that MLflow and Lightning's logger take as they are, each another; in order."""
    return each_another(
        _UNKNOWN_TO_MLFLOW.sub("_", anyascii(name)[:_LONGEST_NAME]) for name in names
    )


def class_terms(class_names: Iterable[str]) -> list[str]:
    """Names of the APs of classes, each another; in order. A slash would begin a group."""
    readable = (" ".join(name.replace("/", "_").split()).strip(".") for name in class_names)
    return each_another(f"AP/{name or f'class {n}'}" for n, name in enumerate(readable))


def each_another(names: Iterable[str]) -> list[str]:
    """The names, in order; one that was there before with the first free number behind it."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} {number}" for number in itertools.count(2))
        found[next(each for each in itertools.chain([name], numbered) if each not in found)] = None
    return [*found]


@contextmanager
def _hushed(*names: str) -> Iterator[None]:
    """Hear only warnings of some libraries."""
    found = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    for log, _ in found:
        log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for log, level in found:
            log.setLevel(level)


KINDS: dict[LoggerName, Kind] = {
    "tensorboard": Kind(_tensorboard, list, "Look who may write into the run's folder"),
    "wandb": Kind(_wandb, list, "Run `wandb login` first, or set WANDB_MODE=offline"),
    "mlflow": Kind(
        _mlflow,
        mlflow_names,
        "Look at MLFLOW_TRACKING_URI; unset, it is the file mlflow.db here",
    ),
}
