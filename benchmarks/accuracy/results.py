"""What every contestant leaves behind, and the options all of them take.

``OUT/CONTESTANT/SET/seedK/`` holds ``info.json`` (written last: the training is finished),
``curve.csv`` (minutes, AP on val), ``predictions_SPLIT.json`` (COCO results with the set's own
ids), ``scores_SPLIT.json`` (by ``table.py``) and ``training/`` (the contestant's own files).
Only the standard library.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from existing import existing
from sets import Set, read_sets


class Point(NamedTuple):
    """One validation of a training."""

    minutes: float
    ap: float


@dataclass(frozen=True)
class Entry:
    """One contestant on one set with one seed; ``folder`` holds all of it."""

    folder: Path

    @classmethod
    def of(cls, out: Path, contestant: str, set_name: str, seed: int) -> Entry:
        """The entry with its place in a results folder."""
        return cls(out / contestant / set_name / f"seed{seed}")

    @property
    def training(self) -> Path:
        """The contestant's own files."""
        return self.folder / "training"

    @property
    def info(self) -> Path:
        """Facts of the training; there once it is finished."""
        return self.folder / "info.json"

    @property
    def curve(self) -> Path:
        """AP on val over the minutes."""
        return self.folder / "curve.csv"

    def predictions(self, split: str) -> Path:
        """COCO results of a split."""
        return self.folder / f"predictions_{split}.json"

    def scores(self, split: str) -> Path:
        """The scorer's numbers of a split."""
        return self.folder / f"scores_{split}.json"

    def clear(self) -> None:
        """Make room for a new training: drop what an interrupted one left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def read_info(self) -> dict[str, Any]:
        """The facts of the finished training."""
        facts: dict[str, Any] = json.loads(self.info.read_text(encoding="utf-8"))
        return facts

    def read_curve(self) -> list[Point]:
        """The validations, in order."""
        with self.curve.open(newline="", encoding="utf-8") as file:
            return [Point(float(r["minutes"]), float(r["AP"])) for r in csv.DictReader(file)]

    def write_curve(self, points: Iterable[Point]) -> None:
        """Write the validations, in order."""
        rows = [f"{point.minutes:.4f},{point.ap:.6f}\n" for point in points]
        _write(self.curve, "minutes,AP\n" + "".join(rows))

    def write_predictions(self, split: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write COCO results."""
        _write(self.predictions(split), json.dumps(rows))

    def write_info(self, facts: Mapping[str, Any]) -> None:
        """Write the facts; from here on the training counts as finished."""
        _write(self.info, json.dumps(facts, indent=1, default=str) + "\n")


class Stopwatch:
    """What surrounds a training: when it began, how busy the machine was, how long it took."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.load = os.getloadavg()[0]

    def facts(self, options: argparse.Namespace, packages: Iterable[str]) -> dict[str, Any]:
        """Everything that someone who doubts or repeats the measurement asks for."""
        return {
            "set": options.set,
            "seed": options.seed,
            "minutes": options.minutes,
            "image_size": options.image_size,
            "threads": options.threads,
            "device": options.device,
            "wall_seconds": round(time.monotonic() - self.began, 1),
            "started": self.started,
            "load_before": self.load,  # of the last minute: an idle machine is near 0
            "command": shlex.join([sys.executable, *sys.argv]),
            "versions": {name: version(name) for name in packages},
            "machine": machine(),
            "fingerprints": chosen_set(options).fingerprints,
        }


def machine() -> dict[str, Any]:
    """Processor, cores, system and Python, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def option_parser(description: str) -> argparse.ArgumentParser:
    """The options that every contestant takes."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--sets", type=existing, required=True, help="the file list_sets.py wrote")
    parser.add_argument("--set", required=True, help="name of the set to train on")
    parser.add_argument("--out", type=Path, required=True, help="results folder of all contestants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, validation too")
    parser.add_argument("--image-size", type=int, default=320, help="pixels, width and height")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the processor")
    parser.add_argument(
        "--split",
        choices=("val", "test"),
        default="val",
        help="val always gets its predictions; test only when named, once all is chosen",
    )
    return parser


def chosen_set(options: argparse.Namespace) -> Set:
    """The set that the options name."""
    found = read_sets(options.sets)
    if options.set not in found:
        raise SystemExit(f"error: no set {options.set!r} in {options.sets}: {', '.join(found)}")
    return found[options.set]


def missing_splits(entry: Entry, options: argparse.Namespace) -> list[str]:
    """The splits whose predictions are still to be made."""
    wanted = dict.fromkeys(["val", options.split])
    return [split for split in wanted if not entry.predictions(split).exists()]


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
