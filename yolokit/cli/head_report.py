"""The ceiling of a configured head in ``yolokit data stats``: numbers, causes, advice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from yolokit.ceiling.advice import Alternative, choose, measure_alternatives, sample
from yolokit.ceiling.measure import ScoredCeiling, measure_ceiling
from yolokit.cli.table import number, share
from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.heads.family import family_of
from yolokit.plain_text import aligned

_MANY = 0.1  # share of narrow boxes that deserves a word
_WORDS = {  # cause -> in the table, in a sentence
    "contested": ("no free cell", "find no free cell that could predict them"),
    "out_of_reach": ("sides beyond reach", "have sides farther from a cell than its code reaches"),
    "off_centre": ("no cell's centre inside", "are too small to hold a cell's centre"),
    "vanished": ("no area in the input", "have no area left in the input"),
    "suppressed": (
        "suppressed as duplicates",
        "overlap another of their class by more than predict.iou_threshold",
    ),
    "over_limit": ("over max_detections", "are more than predict.max_detections allows"),
}
_GRID_LOSSES = ("contested", "out_of_reach", "off_centre", "vanished")


def measured_values(scored: ScoredCeiling, class_names: Sequence[str]) -> dict[str, Any]:
    """One split's ceiling as plain values; None where undefined."""
    metrics = scored.metrics
    scores = list(zip(metrics.per_class.values(), metrics.class_recall.values(), strict=True))
    return {
        "boxes": int(scored.boxes.sum()),
        "AP": _defined(metrics.AP),
        "AP50": _defined(metrics.AP50),
        "AR": _defined(metrics.AR100),
        "lost": {cause: int(count.sum()) for cause, count in scored.losses.items()},
        "narrow": int(scored.narrow.sum()),
        "per_class": {
            name: {
                "boxes": int(scored.boxes[label]),
                "AP": _defined(scores[label][0]["AP"]),
                "AR": _defined(scores[label][1]),
                "lost": {cause: int(count[label]) for cause, count in scored.losses.items()},
                "narrow": int(scored.narrow[label]),
            }
            for label, name in enumerate(class_names)
        },
    }


def advise(
    dataset: CocoDataset,
    truth: CocoTree,
    config: Config,
    now: ScoredCeiling,
    *,
    split: str,
) -> dict[str, Any]:
    """What the head is, which changes were tried on a split, what they reach, and a sentence."""
    part, part_truth = sample(dataset, truth)
    if part is not dataset:
        split = f"{len(part)} pictures of {split}"
        now = measure_ceiling(part, part_truth, config)
    dataset, truth = part, part_truth
    alternatives = measure_alternatives(dataset, truth, config, now)
    return {
        "title": _title(config),
        "finest": now.finest,
        "measured_on": split,
        "as_configured": _reached(now),
        "alternatives": [
            {"changes": list(each.changes), **_reached(each.scored)} for each in alternatives
        ],
        "recommendation": _recommendation(now, alternatives, split),
    }


def _reached(scored: ScoredCeiling) -> dict[str, Any]:
    return {
        "AP": _defined(scored.metrics.AP),
        "AR": _defined(scored.metrics.AR100),
        "narrow": int(scored.narrow.sum()),
    }


def format_head(
    report: Mapping[str, Any], names: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """Rows for the table of splits, and the lines that go below it."""
    head, splits = report["head"], [split["head"] for split in report["splits"].values()]
    held = [s["boxes"] - sum(s["lost"][cause] for cause in _GRID_LOSSES) for s in splits]
    rows: list[list[str]] = [[], [f"at best, {head['title']}"]]
    rows.append(
        [
            "  boxes held at IoU 0.95",
            *(share(h, s["boxes"]) for h, s in zip(held, splits, strict=True)),
        ]
    )
    for cause, (words, _) in _WORDS.items():
        if any(split["lost"][cause] for split in splits):
            rows.append([f"  lost: {words}", *(str(split["lost"][cause]) for split in splits)])
    if any(split["narrow"] for split in splits):
        narrow = (share(split["narrow"], split["boxes"]) for split in splits)
        rows.append([f"  hard: narrower than {head['finest']:.3g} px", *narrow])
    rows += [[f"  {score}", *(number(split[score]) for split in splits)] for score in _SCORES]
    for name in names:
        pairs = (split["per_class"].get(name, {}) for split in splits)
        cells = (f"{number(pair.get('AP'))} {number(pair.get('AR'))}" for pair in pairs)
        rows.append([f"  AP AR of {name}", *cells])
    return rows, ["", *_tried(report), head["recommendation"]]


_SCORES = ("AP", "AP50", "AR")


def _tried(report: Mapping[str, Any]) -> list[str]:
    head = report["head"]
    if not head["alternatives"]:
        return []
    rows = [[f"at best on {head['measured_on']}", "AP", "AR"]]
    for name, values in [
        ("as configured", head["as_configured"]),
        *((" ".join(each["changes"]), each) for each in head["alternatives"]),
    ]:
        rows.append([f"  {name}", number(values["AP"]), number(values["AR"])])
    return [aligned(rows), ""]


def _title(config: Config) -> str:
    head, (height, width) = config.model.head, config.data.image_hw
    grids = family_of(head).grids
    return f"{head.type} on {width}x{height} px, {grids} with one object each"


def _recommendation(now: ScoredCeiling, alternatives: Sequence[Alternative], split: str) -> str:
    boxes = int(now.boxes.sum())
    if math.isnan(now.metrics.AP):
        return f"recommendation: none, {split} has no boxes to judge by"
    chosen = choose(list(alternatives), now)
    if chosen is not None:
        cause = max(now.losses, key=lambda name: int(now.losses[name].sum()))
        count = int(now.losses[cause].sum())
        return (
            f"recommendation: {' '.join(chosen.changes)} lifts the ceiling on {split} from "
            f"AP {now.metrics.AP:.3f} to {chosen.scored.metrics.AP:.3f}; "
            f"as it is, {count} of {boxes} boxes {_WORDS[cause][1]}"
        )
    keep = f"recommendation: keep it, its ceiling on {split} is AP {now.metrics.AP:.3f}"
    narrow = int(now.narrow.sum())
    fewest = min(alternatives, key=lambda each: int(each.scored.narrow.sum()), default=None)
    if narrow < _MANY * boxes or fewest is None or not fewest.scored.narrow.sum() < narrow:
        return keep
    return (
        f"{keep}; but {narrow / boxes:.0%} of the boxes are narrower than a cell of "
        f"{now.finest:.3g} px, which makes them hard: {' '.join(fewest.changes)} makes that "
        f"{fewest.scored.narrow.sum() / boxes:.0%}"
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
