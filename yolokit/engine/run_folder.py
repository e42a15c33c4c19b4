"""The folder of a run: its files, their names, and how they are written."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from yolokit.engine.run_lock import locked
from yolokit.errors import ConfigError, YolokitError
from yolokit.files import remove_leftovers, write_text_atomically

# Where launchers write a process's number; in the order in which Lightning looks.
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


class RunFolder:
    """Names and writers of what a run leaves behind.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.model = path / "model.safetensors"
        self.checkpoint = path / "last.ckpt"
        self.metrics = path / "metrics.csv"
        self.report = path / "report.html"
        self.evaluation = path / "evaluation.json"
        self.loggers = path / "loggers.json"
        self.features = path / "features"  # a folder, while a training with a feature cache runs

    @classmethod
    @contextmanager
    def new(cls, path: Path | None, name: str) -> Iterator[RunFolder]:
        """A folder for a new run, nobody else's until the end of the block.

        Making it is taking it: of two trainings that start together each gets its own. What was
        made and stayed empty is removed again. Only a run's first process does this.

        Args:
            path: the folder, or None for ``runs/NAME``, or ``runs/NAME-2`` and so on where that is
                taken.
            name: of the run.

        Raises:
            YolokitError: a run lives here already, or begins here now.
        """
        if not is_first_process():
            yield cls(path or Path("runs") / name)
            return
        path, made = _make_next(Path("runs"), name) if path is None else (path, _make(path))
        folder = cls(path)
        try:
            with locked(path):
                folder.require_unused()
                yield folder
        finally:
            _remove_empty(made)

    @classmethod
    @contextmanager
    def existing(cls, path: Path) -> Iterator[RunFolder]:
        """The folder of a run to be resumed, nobody else's until the end of the block.

        Raises:
            ConfigError: no run in the folder.
            YolokitError: it is being trained.
        """
        folder = cls(path)
        folder.require()
        with locked(path) if is_first_process() else nullcontext():
            yield folder

    def require_unused(self) -> None:
        """Check that no run is here.

        Raises:
            YolokitError: one is.
        """
        if any(file.exists() for file in (self.config, self.model, self.checkpoint)):
            raise YolokitError(
                f"{self.path} holds a run already. Continue it with --resume {self.path}, "
                "or give another folder with --run"
            )

    def require(self) -> None:
        """Check that a run to be resumed is here.

        Raises:
            ConfigError: no run in the folder.
        """
        if not self.config.is_file():
            raise ConfigError(f"no run to resume: {self.config} is missing. Give a run folder")

    def clean(self) -> None:
        """Delete what a killed session left half-written."""
        own = (self.config, self.model, self.checkpoint, self.metrics)
        for file in (*own, self.report, self.evaluation, self.loggers, self.features):
            remove_leftovers(file)

    def forget_features(self) -> None:
        """Delete the feature maps of a training that has ended."""
        remove_leftovers(self.features)
        shutil.rmtree(self.features, ignore_errors=True)

    def rewind_metrics(self, epoch: int) -> None:
        """Drop rows of epochs after ``epoch``, from 1: a resumed run writes them again."""
        if self.metrics.exists():
            self._write_rows([row for row in self.read_metrics() if int(row["epoch"]) <= epoch])

    def add_metrics(self, row: Mapping[str, object]) -> None:
        """Append one epoch's numbers; a new column leaves earlier rows blank there."""
        self._write_rows([*self.read_metrics(), row])

    def read_metrics(self) -> list[dict[str, str]]:
        """The epochs so far as they stand in metrics.csv, counted from 1; none before the first.

        Earlier they were counted from 0: such a file is read as if it were not.

        Raises:
            YolokitError: the file is no such table any more.
        """
        if not self.metrics.exists():
            return []
        try:
            with self.metrics.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            shift = 1 if rows and int(rows[0]["epoch"]) == 0 else 0
            rows = [{**row, "epoch": str(int(row["epoch"]) + shift)} for row in rows]
        except (UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
            raise YolokitError(
                f"{self.metrics} is not a table with a row for each epoch any more. Move it away: "
                "the next epoch begins a new one"
            ) from error
        return rows

    def read_loggers(self) -> dict[str, dict[str, str]]:
        """What each logger needs to go on with its experiment, by its name; empty at first.

        Raises:
            YolokitError: the file does not say.
        """
        if not self.loggers.exists():
            return {}
        try:
            found = json.loads(self.loggers.read_text(encoding="utf-8"))
            return {str(name): dict(known) for name, known in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise YolokitError(
                f"{self.loggers} does not name the loggers' experiments any more. Move it away: "
                "the numbers go to new ones then"
            ) from error

    def write_loggers(self, known: Mapping[str, Mapping[str, str]]) -> None:
        """Keep that for a resumed run."""
        text = json.dumps({name: dict(each) for name, each in known.items()}, indent=2)
        write_text_atomically(self.loggers, f"{text}\n")

    def _write_rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text_atomically(self.metrics, text.getvalue())


def is_first_process() -> bool:
    """Whether this is the one process of a training that writes."""
    lightning: Any = sys.modules.get("lightning.fabric.utilities.rank_zero")
    if lightning is not None:  # knows of the processes that it started itself, too
        return int(getattr(lightning.rank_zero_only, "rank", 0)) == 0
    ranks = (os.environ.get(name) for name in _RANKS)
    return int(next((rank for rank in ranks if rank is not None), 0)) == 0


def _make(path: Path) -> list[Path]:
    """Make a folder and those above it; those that were missing, the deepest first."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return missing


def _make_next(parent: Path, name: str) -> tuple[Path, list[Path]]:
    """The first of ``name``, ``name-2`` … that was not there, and what was made."""
    made = _make(parent)
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path, [path, *made]
    raise AssertionError("numbers do not end")


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty: a run is in it
            return
