"""yolokit's entry: train by the budget, then export predictions.

    python benchmarks/accuracy/yolokit_run.py --sets sets.json --set bccd --seed 0 \
        --weights mobilenet_v2.pth --out runs/accuracy

Run by yolokit's Python; everything goes through ``tools/train.py`` and ``tools/eval.py``.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from existing import existing
from results import Entry, Point, Stopwatch, chosen_set, missing_splits, option_parser

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PACKAGES = ("yolokit", "torch", "torchvision", "lightning", "albumentations", "pycocotools")


def main() -> None:
    """Train unless that is done, then predict what is missing."""
    parser = option_parser("Train yolokit by the budget and export its predictions.")
    parser.add_argument("--config", default="yolo_mobilenet_v2", help="file, or a shipped name")
    parser.add_argument("--contestant", help="name in the table  [default: yolokit-CONFIG]")
    parser.add_argument("--weights", type=existing, help="backbone file  [default: the config's]")
    parser.add_argument("-o", "--override", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of the programs started below
    name = options.contestant or f"yolokit-{Path(options.config).stem}"
    entry = Entry.of(options.out, name, options.set, options.seed)
    if not entry.info.exists():
        train(entry, options)
    for split in missing_splits(entry, options):
        model, data = entry.training / "model.safetensors", chosen_set(options).data
        where = ("--data", data, "--split", split, "--device", options.device)
        _call("eval.py", model, *where, "--predictions", entry.predictions(split))


def train(entry: Entry, options: argparse.Namespace) -> None:
    """Train into a fresh folder and keep the facts."""
    entry.clear()
    overrides = [f"data.image_size={options.image_size}", *options.override]
    if options.weights:
        overrides.append(f"model.backbone.weights={options.weights.resolve()}")
    watch = Stopwatch()
    _call(
        "train.py",
        options.config,
        *("--data", chosen_set(options).data),
        *("--run", entry.training),
        *("--seed", options.seed),
        *("--device", options.device),
        *("--time-budget", f"{60 * options.minutes:g}s"),
        *(word for setting in overrides for word in ("-o", setting)),
    )
    rows = _epochs(entry.training / "metrics.csv")
    scored = [row for row in rows if row.get("AP")]
    entry.write_curve(Point(float(row["seconds"]) / 60, float(row["AP"])) for row in scored)
    facts = watch.facts(options, PACKAGES)
    facts |= {"train_seconds": float(rows[-1]["seconds"]), "epochs": len(rows)}
    facts |= {"overrides": overrides, "commit": _commit()}
    entry.write_info(facts)


def _epochs(file: Path) -> list[dict[str, Any]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _commit() -> str:
    command = ["git", "-C", str(TOOLS), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _call(tool: str, *arguments: object) -> None:
    command = [sys.executable, str(TOOLS / tool), *map(str, arguments)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
