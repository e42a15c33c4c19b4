"""The folder of a run: its files, their names, and how they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from yolokit.errors import ConfigError, YolokitError
from yolokit.files import remove_leftovers, write_text_atomically


class RunFolder:
    """Names and writers of what a run leaves behind.

    Args:
        path: the folder; it comes into being with its first file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.model = path / "model.safetensors"
        self.checkpoint = path / "last.ckpt"
        self.metrics = path / "metrics.csv"
        self.report = path / "report.html"

    @classmethod
    def unused(cls, name: str, parent: Path = Path("runs")) -> RunFolder:
        """A folder ``runs/name``, or ``runs/name-2`` and so on where that is taken."""
        number = 1
        path = parent / name
        while path.exists():
            number += 1
            path = parent / f"{name}-{number}"
        return cls(path)

    def require_unused(self) -> None:
        """Check that a new run may live here.

        Raises:
            YolokitError: a run lives here already; none is ever overwritten.
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
        for file in (self.config, self.model, self.checkpoint, self.metrics, self.report):
            remove_leftovers(file)

    def rewind_metrics(self, epoch: int) -> None:
        """Drop rows of epochs after ``epoch``: a resumed run writes them again."""
        if self.metrics.exists():
            self._write_rows([row for row in self.read_metrics() if int(row["epoch"]) <= epoch])

    def add_metrics(self, row: Mapping[str, object]) -> None:
        """Append one epoch's numbers; a new column leaves earlier rows blank there."""
        self._write_rows([*self.read_metrics(), row])

    def read_metrics(self) -> list[dict[str, str]]:
        """The epochs so far as they stand in metrics.csv; none before the first."""
        if not self.metrics.exists():
            return []
        with self.metrics.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _write_rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text_atomically(self.metrics, text.getvalue())
