"""YOLOv1's grid on small real sets: AP on the test split, and the ceiling the grid allows.

    python benchmarks/yolov1_sets.py --root DATA --weights mobilenet_v2.pth --out runs/bench

trains ``configs/yolov1_mobilenet_v2.yaml`` on each set under ``DATA``, one after another, each for
the same wall-clock time, scores the test split once, and prints a Markdown table. Let nothing else
run meanwhile: the budget is one of time. A set whose run is finished is not trained again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from yolokit.ceiling.grid import grid_ceiling
from yolokit.ceiling.grid_score import score_ceiling
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split
from yolokit.errors import YolokitError
from yolokit.evaluation.coco_io import load_truth

TOOLS = Path(__file__).resolve().parents[1] / "tools"
CONFIG = TOOLS.parent / "configs" / "yolov1_mobilenet_v2.yaml"
GRID_SIZES = (7, 14)  # of the ceilings


def main() -> None:
    """Train, score, print."""
    options = _options()
    print("| set | grid | weights | epochs | AP | AP50 | ceiling AP, S = 7 | S = 14 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.sets:
        data = options.root / name
        ceilings = " | ".join(f"{_ceiling(data, size):.3f}" for size in GRID_SIZES)
        for weights in (
            (str(options.weights), "none") if options.scratch else (str(options.weights),)
        ):
            run = options.out / f"{name}-{Path(weights).stem}-{options.grid_size}"
            scores = _train_and_score(run, data, weights, options)
            epochs = len((run / "metrics.csv").read_text().splitlines()) - 1
            size = f"{options.grid_size}x{options.grid_size}"
            kind = "none" if weights == "none" else "ImageNet"
            numbers = f"{scores['AP']:.3f} | {scores['AP50']:.3f}"
            print(f"| {name} | {size} | {kind} | {epochs} | {numbers} | {ceilings} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--root", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet state dict")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--sets", nargs="+", default=["raccoon", "bccd", "aquarium"])
    parser.add_argument("--time-budget", default="20m")
    parser.add_argument("--grid-size", type=int, default=7)
    parser.add_argument("--scratch", action="store_true", help="also without the weights")
    return parser.parse_args()


def _train_and_score(
    run: Path, data: Path, weights: str, options: argparse.Namespace
) -> dict[str, float]:
    scores = run / "test.json"
    if not scores.exists():
        settings = [
            f"model.backbone.weights={weights}",
            f"model.head.grid_size={options.grid_size}",
        ]
        overrides = [word for setting in settings for word in ("-o", setting)]
        budget = ["--time-budget", options.time_budget]
        _call("train.py", CONFIG, "--data", data, "--run", run, *budget, *overrides)
        model = run / "model.safetensors"
        _call("eval.py", model, "--data", data, "--split", "test", "--json", scores)
    found: dict[str, float] = json.loads(scores.read_text())
    return found


def _call(tool: str, *arguments: object) -> None:
    command = [sys.executable, str(TOOLS / tool), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _ceiling(data: Path, grid_size: int) -> float:
    split = choose_split(data, "test")
    dataset = CocoDataset.load(split)
    ceiling = grid_ceiling(dataset, grid_size=grid_size, image_hw=(320, 320))
    return score_ceiling(dataset, ceiling, load_truth(split.annotations)).AP


if __name__ == "__main__":
    try:
        main()
    except YolokitError as wrong:
        sys.exit(f"error: {wrong}")
