"""COCO evaluation of a large set: our path beside raw pycocotools, equal numbers first.

    python benchmarks/speed/coco_eval.py --json benchmarks/speed/coco_eval.json

makes 5,000 pictures up, with 7 truths and 100 detections each of 80 classes, and lets each
contestant count COCO's twelve numbers and AP per class from the parsed JSON of both files, in a
process of its own, turn about. Where numbers differ by more than 1e-9 it stops before any table is
printed. Seconds include each contestant's own conversion; ``processor`` is the ratio of processor
time, which a busy machine disturbs less; memory is what a process's peak grew by over the parsed
files. faster-coco-eval takes part where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REFEREE = "pycocotools"
TRUTHS = 7.3  # a picture, on average, as in COCO's val2017
ALLOWED = 1e-9  # difference of any number
Contestant = Callable[[dict[str, Any], list[dict[str, Any]]], list[float]]


def make_set(
    pictures: int, detections: int, classes: int, seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """COCO truth and result rows: two jittered detections a truth, the rest false alarms."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, classes + 1)
    frequency /= frequency.sum()
    truth: dict[str, Any] = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480} for n in range(pictures)
        ],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(classes)],
        "annotations": [],
    }
    rows: list[dict[str, Any]] = []
    for image_id in range(pictures):
        count = int(rng.poisson(TRUTHS))
        boxes, labels = _boxes(rng, count), rng.choice(classes, count, p=frequency)
        hits = rng.permutation(np.repeat(np.arange(count), 2))[:detections]
        false = detections - len(hits)
        moved = np.maximum(boxes[hits] + rng.normal(0, 5, (len(hits), 4)), 1)
        found = np.concatenate([moved, _boxes(rng, false)])
        found_labels = np.concatenate([labels[hits], rng.choice(classes, false, p=frequency)])
        scores = np.concatenate([rng.beta(3, 2, len(hits)), rng.beta(1, 8, false)])
        for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
            annotation = {"id": len(truth["annotations"]) + 1, "image_id": image_id}
            crowd = int(rng.random() < 0.01)
            area = 0.7 * box[2] * box[3]  # as of a mask
            annotation |= {"category_id": label + 1, "bbox": box, "area": area, "iscrowd": crowd}
            truth["annotations"].append(annotation)
        for box, label, score in zip(
            found.tolist(), found_labels.tolist(), scores.tolist(), strict=True
        ):
            rows.append(
                {"image_id": image_id, "category_id": label + 1, "bbox": box, "score": score}
            )
    return truth, rows


def _boxes(rng: np.random.Generator, count: int) -> Any:
    """[count, 4] xywh of 5 to 300 pixels."""
    corners, sizes = rng.uniform(0, 400, (count, 2)), np.exp(rng.uniform(1.6, 5.7, (count, 2)))
    return np.concatenate([corners, sizes], axis=1)


def count_with_yolokit(truth: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    """What `yolokit eval --predictions-from` does with two files once they are parsed."""
    from yolokit.data.coco_file import tree_of
    from yolokit.evaluation.coco_map import evaluate_rows

    metrics = evaluate_rows(tree_of(truth), rows)
    return [*metrics.numbers.values(), *(each["AP"] for each in metrics.per_class.values())]


def count_with_pycocotools(truth: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    """As pycocotools' own documentation does it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    return _numbers(COCOeval(coco, coco.loadRes(rows), "bbox"))


def count_with_faster(truth: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    """As faster-coco-eval's own documentation does it."""
    from faster_coco_eval import COCO, COCOeval_faster

    coco = COCO(truth)
    return _numbers(COCOeval_faster(coco, coco.loadRes(rows), "bbox"))


def _numbers(evaluation: Any) -> list[float]:
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision = np.asarray(evaluation.eval["precision"])
    classes = [precision[:, :, k, 0, -1] for k in range(precision.shape[2])]
    per_class = [np.mean(each[each > -1]) if (each > -1).any() else np.nan for each in classes]
    return [float(each) for each in (*evaluation.stats[:12], *per_class)]


CONTESTANTS: dict[str, Contestant] = {
    "yolokit": count_with_yolokit,
    REFEREE: count_with_pycocotools,
    "faster-coco-eval": count_with_faster,
}


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One contestant's numbers, seconds and MB, in this process; Linux only for the MB."""
    truth = json.loads((folder / "truth.json").read_bytes())
    rows = json.loads((folder / "rows.json").read_bytes())
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of parsing
    before = _peak_mb()
    started, used = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        numbers = CONTESTANTS[name](truth, rows)
    return {
        "numbers": numbers,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - used,
        "mb": _peak_mb() - before,
    }


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All contestants turn about; their medians.

    Raises:
        SystemExit: numbers differ.
    """
    truth, rows = make_set(options.pictures, options.detections, options.classes)
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "rows.json").write_text(json.dumps(rows))
    names = [name for name in CONTESTANTS if name != "faster-coco-eval" or _has_faster()]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(options.pairs):
        for name in names:
            command = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs[name].append(json.loads(done.stdout))
            print(f"turn {turn + 1}, {name}: {runs[name][-1]['seconds']:.2f} s", file=sys.stderr)
    differences = {name: _difference(runs[name], runs[REFEREE]) for name in names}
    if max(differences.values()) > ALLOWED:
        raise SystemExit(f"numbers differ: {differences}")
    return {
        "pictures": options.pictures,
        "detections": len(rows),
        "truths": len(truth["annotations"]),
        "classes": options.classes,
        "pairs": options.pairs,
        "contestants": {
            name: _summary(runs[name], runs[REFEREE], differences[name]) for name in names
        },
        "versions": {each: _version(each) for each in ("hotcoco", REFEREE, "faster-coco-eval")},
    }


def _difference(runs: list[dict[str, Any]], referee: list[dict[str, Any]]) -> float:
    """The largest of any number of any run; infinite where only one of them is a number."""
    ours = np.array([run["numbers"] for run in runs], dtype=float)
    theirs = np.array([run["numbers"] for run in referee], dtype=float)
    ours, theirs = np.where(ours == -1, np.nan, ours), np.where(theirs == -1, np.nan, theirs)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return float("inf")
    return float(np.nanmax(np.abs(ours - theirs), initial=0.0))


def _summary(
    runs: list[dict[str, Any]], referee: list[dict[str, Any]], difference: float
) -> dict[str, Any]:
    pairs = list(zip(runs, referee, strict=True))
    ratios = [ours["seconds"] / theirs["seconds"] for ours, theirs in pairs]
    cpu_ratios = [ours["cpu_seconds"] / theirs["cpu_seconds"] for ours, theirs in pairs]
    return {
        "seconds": statistics.median(run["seconds"] for run in runs),
        "mb": statistics.median(run["mb"] for run in runs),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs),
        "cpu_ratio": statistics.median(cpu_ratios),
        "largest_difference": difference,
    }


def _has_faster() -> bool:
    return importlib.util.find_spec("faster_coco_eval") is not None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(result: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| contestant | seconds | of pycocotools | range | processor | memory | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in result["contestants"].items():
        low, high = each["ratio_range"]
        lines.append(
            f"| {name} | {each['seconds']:.2f} | {each['ratio']:.3f} | {low:.3f} to {high:.3f} "
            f"| {each['cpu_ratio']:.3f} | {each['mb']:.0f} MB | {each['largest_difference']:.1e} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure, or be one of the processes that are measured."""
    options = _options(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = compare(options, Path(folder))
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="a picture")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--pairs", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--measure", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
