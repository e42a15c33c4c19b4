"""Runs side by side: scores, time, settings that differ, curves. Reads their folders, not torch."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolokit.config_file import load_config
from yolokit.errors import ConfigError
from yolokit.report.charts import Series, line_chart
from yolokit.report.page import Section, charts, page, paragraph, table

_SCORES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
_MINUTE = 60.0


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedRun:
    """What a run's folder says of it.

    Args:
        name: to call it by, unlike the others'.
        settings: dotted key -> value, of its ``config.yaml``.
        epochs: the rows of ``metrics.csv``, in order.
        evaluation: of ``evaluation.json``; empty where the run has none.
        model_bytes: size of its model, or None where it has none.
    """

    name: str
    settings: Mapping[str, Any]
    epochs: Sequence[Mapping[str, str]]
    evaluation: Mapping[str, Any]
    model_bytes: int | None

    @property
    def scored(self) -> list[tuple[int, float, float, float]]:
        """(epoch from 1, minutes, AP, AP50) of each validation with a number."""
        rows = [
            (number, float(row["seconds"]) / _MINUTE, float(row["AP"]), float(row["AP50"]))
            for number, row in enumerate(self.epochs, 1)
            if row.get("AP") and row.get("AP50")
        ]
        return [row for row in rows if not math.isnan(row[2])]

    @property
    def kept(self) -> tuple[int, float, float, float] | None:
        """The validation whose model was kept: the best, of equals the last."""
        return max(self.scored, key=lambda row: (row[2], row[0]), default=None)

    def score(self, name: str) -> float | None:
        """One of COCO's numbers, 0..1, of the kept model."""
        if name in self.evaluation:
            return _number(self.evaluation[name])
        places = {"AP": 2, "AP50": 3}
        return None if self.kept is None or name not in places else self.kept[places[name]]

    @property
    def minutes(self) -> float | None:
        """How long it trained."""
        return float(self.epochs[-1]["seconds"]) / _MINUTE if self.epochs else None

    @property
    def per_class(self) -> Mapping[str, float | None]:
        """AP of each class, where the run was evaluated."""
        return {
            name: _number(each.get("AP"))
            for name, each in self.evaluation.get("per_class", {}).items()
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side, as rows of texts: a name, then a cell for each run.

    Args:
        runs: two or more.
    """

    runs: Sequence[ComparedRun]

    @property
    def numbers(self) -> list[list[str]]:
        """Scores of the kept models, then time and size."""
        scores = [(name, [_score(run.score(name)) for run in self.runs]) for name in _SCORES]
        thresholds = [run.evaluation.get("threshold") or {} for run in self.runs]
        rows = [
            *((name, cells) for name, cells in scores if set(cells) != {"-"}),
            ("best F1", [_score(_number(each.get("F1"))) for each in thresholds]),
            ("at --conf", [_plain(each.get("conf")) for each in thresholds]),
            ("epochs", [str(len(run.epochs)) for run in self.runs]),
            ("kept epoch", [str(run.kept[0]) if run.kept else "-" for run in self.runs]),
            ("minutes", [_one_place(run.minutes) for run in self.runs]),
            ("model MB", [_one_place(_mega(run.model_bytes)) for run in self.runs]),
        ]
        return [[name, *cells] for name, cells in rows]

    @property
    def classes(self) -> list[list[str]]:
        """AP of each class; none where no run has been evaluated."""
        names = dict.fromkeys(name for run in self.runs for name in run.per_class)
        return [[name, *(_score(run.per_class.get(name)) for run in self.runs)] for name in names]

    @property
    def settings(self) -> list[list[str]]:
        """The settings that are not the same in all."""
        keys = dict.fromkeys(key for run in self.runs for key in run.settings)
        found = [[key, *(_plain(run.settings.get(key)) for run in self.runs)] for key in keys]
        return [row for row in found if len(set(row[1:])) > 1]

    @property
    def warnings(self) -> list[str]:
        """Why the scores cannot be compared."""
        prints = [run.evaluation.get("data_fingerprint") for run in self.runs]
        known = {each for each in prints if each}
        lines = []
        if len(known) > 1:
            lines.append(
                "the validation data differ: their scores are of different pictures or labels and "
                "cannot be compared. Score the models on one set with yolokit eval"
            )
        unknown = [run.name for run, each in zip(self.runs, prints, strict=True) if not each]
        if unknown:
            lines.append(
                f"no evaluation.json in {', '.join(unknown)}, so nobody can tell whether they were "
                "scored on the same data. Score them with yolokit eval"
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """What ``--json`` writes."""
        return {
            "runs": [
                {
                    "name": run.name,
                    "scores": {name: run.score(name) for name in _SCORES},
                    "per_class": dict(run.per_class),
                    "threshold": run.evaluation.get("threshold"),
                    "data_fingerprint": run.evaluation.get("data_fingerprint"),
                    "epochs": len(run.epochs),
                    "kept_epoch": run.kept[0] if run.kept else None,
                    "minutes": run.minutes,
                    "model_bytes": run.model_bytes,
                }
                for run in self.runs
            ],
            "settings": {key: values for key, *values in self.settings},
            "warnings": self.warnings,
        }

    def html(self) -> str:
        """The page."""
        names = [run.name for run in self.runs]
        sections = [Section("", [paragraph(f"Note: {line}.") for line in self.warnings])]
        sections.append(Section("Scores and time", [table(("", *names), self.numbers)]))
        if self.classes:
            sections.append(Section("AP of each class", [table(("class", *names), self.classes)]))
        sections.append(Section("Learning curves", [charts(self._charts())]))
        rows = self.settings
        same = [paragraph("All settings are the same.")]
        shown = [table(("setting", *names), rows, texts=len(names))] if rows else same
        sections.append(Section("Settings that differ", shown))
        return page(" and ".join(names), "Comparison of runs", sections)

    def _charts(self) -> list[Any]:
        drawn = []
        for place, name in ((2, "AP"), (3, "AP50")):
            series = [
                Series(
                    run.name, [(row[1], row[place]) for row in run.scored], _score(run.score(name))
                )
                for run in self.runs
                if run.scored
            ]
            if series:
                title = f"{name} over minutes"
                drawn.append(line_chart(title, series, x_label="minutes", y_label=name))
        return drawn


def read_runs(folders: Sequence[Path]) -> Comparison:
    """What the folders of some runs say.

    Raises:
        ConfigError: no run in a folder, or files that cannot be read.
    """
    names = _names(folders)
    return Comparison([_read(folder, name) for folder, name in zip(folders, names, strict=True)])


def _read(folder: Path, name: str) -> ComparedRun:
    config = folder / "config.yaml"
    if not config.is_file():
        raise ConfigError(f"no run in {folder}: config.yaml is missing. Give run folders")
    model = folder / "model.safetensors"
    return ComparedRun(
        name=name,
        settings=_flat(load_config(config).model_dump(mode="json")),
        epochs=_epochs(folder / "metrics.csv"),
        evaluation=_evaluation(folder / "evaluation.json"),
        model_bytes=model.stat().st_size if model.is_file() else None,
    )


def _epochs(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            float(row["seconds"]), float(row.get("AP") or 0), float(row.get("AP50") or 0)
    except (UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file} is no table of epochs. Compare other runs") from error
    return rows


def _evaluation(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is damaged ({error}). Delete it and compare again") from error
    expected = {"per_class": dict, "threshold": dict, "data_fingerprint": str}
    odd = [
        key
        for key, kind in expected.items()
        if not isinstance(tree, dict) or not isinstance(tree.get(key), kind)
    ]
    if odd:
        raise ConfigError(f"{file} has no {odd[0]}. Delete it and compare again")
    return dict(tree)


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names, with as many folders above them as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(each[-1:])} ({number})" for number, each in enumerate(parts, 1)]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and math.isfinite(value) else None


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _one_place(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _mega(size: int | None) -> float | None:
    return None if size is None else size / 1e6


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "/".join(map(_plain, value))
    return "-" if value is None else str(value)
