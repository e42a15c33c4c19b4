"""Score what the contestants found, all by the one scorer, and print the Markdown tables.

    python benchmarks/accuracy/table.py --sets sets.json --out runs/accuracy [--split test]

Run by yolokit's Python. Numbers are medians over seeds; contestants named ``yolokit…`` are ours,
all others are peers. The minutes are those until a training first validated at the AP that the
set's best peer ended with on val.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from existing import existing
from results import Entry, Point
from sets import read_sets

TOOLS = Path(__file__).resolve().parents[2] / "tools"
OURS = "yolokit"  # how the names of our contestants begin
MISSING = "-"
TRUSTED = 0.02  # largest difference between a contestant's own best AP on val and the scorer's
SAME_FOR_ALL = ("minutes", "image_size", "threads", "device", "machine")  # else no fair comparison


class Result(NamedTuple):
    """One finished training: AP and AP50 on the split of the table, AP on val, and its course."""

    contestant: str
    set: str
    seed: int
    ap: float
    ap50: float
    val_ap: float
    epochs: int
    curve: list[Point]


def main() -> None:
    """Score, collect, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--sets", type=existing, required=True, help="the file list_sets.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="results folder of all contestants")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    options = parser.parse_args()
    folders = {name: entry.data for name, entry in read_sets(options.sets).items()}
    finished = sorted(options.out.glob("*/*/seed*/info.json"))
    infos = [json.loads(file.read_text(encoding="utf-8")) for file in finished]
    for difference in differences(infos):
        print(f"warning: {difference}", file=sys.stderr)
    results = []
    for file, info in zip(finished, infos, strict=True):
        entry = Entry(file.parent)
        if entry.predictions(options.split).exists():
            results.append(_result(entry, info, folders[info["set"]], options.split))
    for result in results:
        own = max((point.ap for point in result.curve), default=math.nan)
        if not abs(own - result.val_ap) <= TRUSTED:
            name = f"{result.contestant} on {result.set}, seed {result.seed}"
            print(
                f"warning: {name}: its own best AP on val is {own:.3f}, scored {result.val_ap:.3f}",
                file=sys.stderr,
            )
    sets = [name for name in folders if any(result.set == name for result in results)]
    print("\n".join([*accuracy_table(results, sets), "", *course_table(results, sets)]))


def _result(entry: Entry, info: dict[str, Any], data: Path, split: str) -> Result:
    scores, val = score(entry, data, split), score(entry, data, "val")
    return Result(
        contestant=entry.folder.parents[1].name,
        set=info["set"],
        seed=info["seed"],
        ap=scores["AP"],
        ap50=scores["AP50"],
        val_ap=val["AP"],
        epochs=info["epochs"],
        curve=entry.read_curve(),
    )


def score(entry: Entry, data: Path, split: str) -> dict[str, Any]:
    """The one scorer's numbers, made from the predictions where they are not there yet."""
    file, predictions = entry.scores(split), entry.predictions(split)
    if not file.exists() or file.stat().st_mtime < predictions.stat().st_mtime:
        command = [sys.executable, TOOLS / "eval.py", "--predictions-from", predictions]
        command += ["--data", data, "--split", split, "--json", file]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    numbers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return numbers


def differences(infos: Sequence[dict[str, Any]]) -> list[str]:
    """What makes trainings incomparable: another budget, input, machine, or set content."""
    found = []
    for key in SAME_FOR_ALL:
        values = {json.dumps(info.get(key), sort_keys=True) for info in infos}
        if len(values) > 1:
            found.append(f"the trainings differ in {key}: {' | '.join(sorted(values))}")
    for name in sorted({info["set"] for info in infos}):
        own = [info["fingerprints"] for info in infos if info["set"] == name]
        if any(each != own[0] for each in own):
            found.append(f"the trainings saw different versions of {name}")
    return found


def accuracy_table(results: Iterable[Result], sets: Sequence[str]) -> list[str]:
    """AP and AP50 of each contestant on each set and their means, the best mean AP first."""
    results = list(results)
    columns = [f"{name} {number}" for name in (*sets, "mean") for number in ("AP", "AP50")]
    rows = []
    for contestant in _contestants(results):
        own = [result for result in results if result.contestant == contestant]
        aps = [_median(own, name, lambda result: result.ap) for name in sets]
        ap50s = [_median(own, name, lambda result: result.ap50) for name in sets]
        pairs = zip([*aps, _mean(aps)], [*ap50s, _mean(ap50s)], strict=True)
        cells = [_number(value) for pair in pairs for value in pair]
        rows.append((_mean(aps), [contestant, _seeds(own, sets), *cells]))
    rows.sort(key=lambda row: -1.0 if math.isnan(row[0]) else row[0], reverse=True)
    return _markdown(["contestant", "seeds", *columns], [cells for _, cells in rows])


def course_table(results: Iterable[Result], sets: Sequence[str]) -> list[str]:
    """Epochs done, and minutes until the AP on val that the set's best peer ended with."""
    results = list(results)
    header, targets = ["contestant"], {}
    for name in sets:
        targets[name] = best_peer([result for result in results if result.set == name])
        header += [f"{name} epochs", f"minutes to AP {_number(targets[name][1])}"]
    rows = []
    for contestant in _contestants(results):
        own = [result for result in results if result.contestant == contestant]
        row = [contestant]
        for name in sets:
            peer, target = targets[name]
            goal = None if contestant == peer else target
            epochs = _median(own, name, lambda result: result.epochs)
            minutes = _median(own, name, lambda result, goal=goal: minutes_to(result.curve, goal))
            row += [MISSING if math.isnan(epochs) else f"{epochs:g}", _minutes(minutes)]
        rows.append(row)
    return _markdown(header, rows)


def best_peer(results: Iterable[Result]) -> tuple[str, float]:
    """The peer with the highest AP on val on one set, and that AP; NaN without a peer."""
    peers: dict[str, list[float]] = {}
    for result in results:
        if not result.contestant.startswith(OURS):
            peers.setdefault(result.contestant, []).append(result.val_ap)
    medians = {name: median(values) for name, values in peers.items()}
    return max(medians.items(), key=lambda item: item[1], default=("", math.nan))


def minutes_to(curve: Iterable[Point], goal: float | None) -> float:
    """Minutes of the first validation that reached a goal; infinite if none did.

    Args:
        curve: in order.
        goal: an AP; None for the curve's own best, which a peer that measures itself is held to.
    """
    curve = list(curve)
    if goal is None:
        goal = max((point.ap for point in curve), default=math.nan)
    return next((point.minutes for point in curve if point.ap >= goal), math.inf)


def _contestants(results: Iterable[Result]) -> list[str]:
    return sorted({result.contestant for result in results})


def _seeds(results: Iterable[Result], sets: Sequence[str]) -> str:
    results = list(results)
    counts = {sum(result.set == name for result in results) for name in sets}
    return "-".join(str(count) for count in sorted({min(counts), max(counts)}))


def _median(results: Iterable[Result], name: str, value: Callable[[Result], float]) -> float:
    values = [value(result) for result in results if result.set == name]
    return median(values) if values else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan  # NaN if one is missing


def _number(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.3f}"


def _minutes(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else MISSING


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    main()
