"""What each part of the recipe is worth: the default, and rows that are one override away from it.

    python benchmarks/accuracy/ablation.py --sets sets.json --out runs/ablation --weights W.pth

Every row trains for the same minutes and is scored on val; test is not looked at. Rows can be
named with ``--rows``, the default must be one of them. A finished training is not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from existing import existing
from results import Entry
from sets import read_sets
from table import score

RUNNER = Path(__file__).with_name("yolokit_run.py")
DEFAULT = "default"
ROWS = {
    DEFAULT: "",
    "no pretrained backbone": "model.backbone.weights=none",
    "fixed recipe": "train.recipe=fixed",
    "centre assigner": "model.head.loss.assigner=centre",
    "score blind to the overlap": "model.head.loss.iou_aware=false",
    "no distribution loss": "model.head.loss.dfl=0",
    "no mosaic": "augment.mosaic=0",
    "no EMA": "train.ema=false",
    "pictures grow from 0.6": "train.start_size=0.6",
    "sizes vary by a quarter": "augment.multi_scale=0.25",
    "whole backbone learns": "model.backbone.trainable_stages=all",
    "batch 16": "train.batch_size=16",
    "separable convolutions": "model.head.separable=true",
    "one-to-one branch": "model.head.one_to_one=true",
    "32 bits": "train.precision=32",
}


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--sets", type=existing, required=True, help="the file list_sets.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="results folder")
    parser.add_argument("--weights", type=existing, required=True, help="ImageNet state dict")
    parser.add_argument("--config", default="yolo_mobilenet_v2")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    sets = read_sets(options.sets)
    found: dict[str, dict[str, float]] = {}
    for row in options.rows:
        found[row] = {}
        for name, entry in sets.items():
            aps = [_val_ap(row, name, entry.data, seed, options) for seed in options.seeds]
            found[row][name] = median(aps)
    print("\n".join(ablation_table(found, list(sets))))


def ablation_table(found: Mapping[str, Mapping[str, float]], sets: Sequence[str]) -> list[str]:
    """Markdown: AP of each row on each set, their mean, and how far that is from the default's."""
    lines = [f"| row | override | {' | '.join(sets)} | mean AP | change |"]
    lines.append("|" + "---|" * (len(sets) + 4))
    for row, aps in found.items():
        change = mean(aps[name] - found[DEFAULT][name] for name in sets)
        cells = " | ".join(f"{aps[name]:.3f}" for name in sets)
        override = f"`{ROWS[row]}`" if ROWS[row] else ""
        middle = f"{mean(aps[name] for name in sets):.3f}"
        lines.append(f"| {row} | {override} | {cells} | {middle} | {change:+.3f} |")
    return lines


def _val_ap(row: str, name: str, data: Path, seed: int, options: argparse.Namespace) -> float:
    contestant = f"yolokit-{row.replace(' ', '-')}"
    command = [sys.executable, RUNNER, "--sets", options.sets, "--out", options.out]
    command += ["--set", name, "--seed", seed, "--minutes", options.minutes]
    command += ["--config", options.config, "--contestant", contestant]
    if "weights" not in ROWS[row]:
        command += ["--weights", options.weights]
    if ROWS[row]:
        command += ["-o", ROWS[row]]
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
    ap: float = score(Entry.of(options.out, contestant, name, seed), data, "val")["AP"]
    return ap


if __name__ == "__main__":
    main()
