"""The same detector on one backbone after another, each trained from random weights on one set.

    yolokit data shapes shapes96 --images 80,40,200 --size 96x96 --no-video --seed 3
    python examples/backbones_side_by_side.py shapes96 side_by_side

Set, head, passes over the photos and seeds are the same for all. One learning rate may not suit
all: deep networks without batch norm want a lower one. Each is trained at every rate of ``--rates``
and keeps the one that is best on val; the score is that on the test photos, by which nothing is
chosen. What is trained stands in OUT/results.jsonl and is not trained again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from backbone_table import cost

import yolokit
from yolokit.errors import YolokitError
from yolokit.signals import StoppedBySignal

NAMES = ["alexnet", "vgg16", "googlenet", "inception_v3", "resnet18", "resnet50", "mobilenet_v2"]
RATES = (0.002,)  # about what yolokit takes by itself for a set this small
CONFIG = "yolo_mobilenet_v2"


class Setting(NamedTuple):
    """What is trained: a torchvision classifier, and how.

    Args:
        backbone: its name.
        rate: peak learning rate, of the backbone as of the head.
        seed: of everything random.
        size: side of the input, pixels.
        epochs: passes over the training photos.
    """

    backbone: str
    rate: float
    seed: int
    size: int
    epochs: int

    @property
    def folder(self) -> str:
        return f"{self.backbone}-{self.size}-{self.epochs}-{self.rate:g}-{self.seed}"


class Scores(NamedTuple):
    """AP on val, and AP and AP50 on the test photos, 0 to 1."""

    val: float
    test: float
    test50: float


def train(setting: Setting, data: Path, out: Path) -> Scores:
    """Train from random weights and score; a run that was cut off begins anew."""
    run = out / setting.folder
    if run.exists():
        shutil.rmtree(run)
    overrides = {
        "model.backbone.name": setting.backbone,
        "model.backbone.weights": "none",
        "model.backbone.trainable_stages": "all",
        "model.backbone.lr_factor": 1,
        "data.image_size": setting.size,
        "train.lr": setting.rate,
    }
    yolokit.train(
        CONFIG,
        data=data,
        overrides=[f"{key}={value}" for key, value in overrides.items()],
        run=run,
        epochs=setting.epochs,
        seed=setting.seed,
        quiet=True,
    )
    val, test = (yolokit.evaluate(run, data=data, split=split) for split in ("val", "test"))
    return Scores(val=val.AP, test=test.AP, test50=test.AP50)


def read_results(file: Path) -> dict[Setting, Scores]:
    """What is trained so far; nothing where there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rows = [json.loads(line) for line in lines]
    return {Setting(**row["setting"]): Scores(**row["scores"]) for row in rows}


def add_result(file: Path, setting: Setting, scores: Scores) -> None:
    """Append a line."""
    row = {"setting": setting._asdict(), "scores": scores._asdict()}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def best_rate(found: Mapping[Setting, Scores]) -> float:
    """The learning rate whose AP on val is the highest, the mean over seeds."""
    by_rate: dict[float, list[float]] = {}
    for setting, scores in found.items():
        by_rate.setdefault(setting.rate, []).append(scores.val)
    return max(by_rate, key=lambda rate: mean(by_rate[rate]))


def table(found: Mapping[Setting, Scores], names: Iterable[str]) -> list[str]:
    """Markdown: costs and scores of each backbone at its best rate, means over seeds."""
    lines = [
        "| backbone | parameters, M | multiply-adds, G | learning rate | AP on val | AP | AP50 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        own = {setting: scores for setting, scores in found.items() if setting.backbone == name}
        rate, size = best_rate(own), next(iter(own)).size
        kept = [scores for setting, scores in own.items() if setting.rate == rate]
        counted = cost(name, size)
        cells = [f"`{name}`", f"{counted.backbone / 1e6:.1f}", f"{counted.multiply_adds / 1e9:.2f}"]
        cells += [f"{rate:g}", *(f"{mean(column):.3f}" for column in zip(*kept, strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="SET", help="with train, val and test")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of runs and results")
    parser.add_argument("names", nargs="*", default=NAMES, help="torchvision classifiers")
    parser.add_argument("--size", type=int, default=96, help="side of the input, pixels")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "results.jsonl"
    found = read_results(file)
    wanted = [
        Setting(backbone=name, rate=rate, seed=seed, size=options.size, epochs=options.epochs)
        for name, rate, seed in itertools.product(options.names, options.rates, options.seeds)
    ]
    for setting in wanted:
        if setting not in found:
            found[setting] = train(setting, options.data, options.out)
            add_result(file, setting, found[setting])
    print("\n".join(table({setting: found[setting] for setting in wanted}, options.names)))


if __name__ == "__main__":
    try:
        main()
    except YolokitError as error:
        raise SystemExit(f"error: {error}") from None
    except StoppedBySignal:
        raise SystemExit("stopped; the same command goes on behind what is trained") from None
