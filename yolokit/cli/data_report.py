"""What ``yolokit data stats`` measures and how it is laid out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from yolokit.ceiling.advice import sample
from yolokit.ceiling.grid import grid_ceiling
from yolokit.ceiling.grid_score import score_ceiling
from yolokit.ceiling.measure import measure_ceiling
from yolokit.cli.head_report import advise, format_head, measured_values
from yolokit.cli.table import number, share
from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split, locate_splits
from yolokit.data.split_faults import split_faults
from yolokit.data.statistics import split_statistics
from yolokit.evaluation.coco_io import load_split
from yolokit.plain_text import aligned

_SCORES = {"AP": "AP", "AP50": "AP50", "AR100": "AR"}
_COUNTS = {
    "images": "pictures",
    "empty": "  without a box",
    "boxes": "boxes",
    "most_in_one": "  most in one picture",
    "crowds": "crowds (ignored)",
    "bad_boxes": "bad boxes (left out)",
}


def measure_splits(
    data: Path,
    only: Sequence[str],
    *,
    image_hw: tuple[int, int],
    grid_sizes: Sequence[int],
    config: Config | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Statistics and grid ceilings of the splits of a data set, as plain values.

    Args:
        data: a folder or data.yaml.
        only: the splits wanted; all when empty.
        image_hw: the network input's (height, width), pixels.
        grid_sizes: cells along each side, one ceiling each.
        config: whose head's ceiling is wanted as well, with advice.
        progress: is called with a split's name and the share of its file that is read.

    Returns:
        ``{"input_hw", "faults": [line of an error or warning], "splits": {name: {…, "ceilings":
        {S: {…}}}}}``; None where undefined. With a config also ``"head"`` in each split, and
        ``"head"`` with the advice beside ``"splits"``.
    """
    splits = {name: choose_split(data, name) for name in only} or locate_splits(data)
    learnt = "train" if "train" in splits else next(iter(splits))
    report: dict[str, Any] = {"input_hw": list(image_hw), "faults": [], "splits": {}}
    max_bad_boxes = (config or Config()).data.max_bad_boxes
    for name, split in splits.items():
        truth = load_split(split, progress=progress and partial(progress, f"reading {name}"))
        dataset = CocoDataset.of(truth, split)
        report["faults"] += [
            f"{fault.level}: {name}: {fault.line}"
            for fault in split_faults(name, dataset, max_bad_boxes=max_bad_boxes)
            if fault.level != "note"
        ]
        part, part_truth = sample(dataset, truth)  # a ceiling is as well told by a part
        ceilings = {}
        for grid_size in grid_sizes:
            ceiling = grid_ceiling(part, grid_size=grid_size, image_hw=image_hw)
            scores = score_ceiling(part, ceiling, part_truth).to_dict()
            ceilings[str(grid_size)] = {
                "kept": int(ceiling.kept.sum()),
                "boxes": ceiling.truths,
                **{score: scores[score] for score in (*_SCORES, "per_class")},
            }
        values = {
            **asdict(split_statistics(dataset, image_hw)),
            "ceiling_images": len(part),
            "ceilings": ceilings,
        }
        if config is not None:
            scored = measure_ceiling(part, part_truth, config)
            values["head"] = measured_values(scored, dataset.class_names)
            if name == learnt:
                report["head"] = advise(part, part_truth, config, scored, split=name)
        report["splits"][name] = values
    return report


def format_report(report: dict[str, Any]) -> str:
    """The numbers of ``measure_splits`` as a table, one column a split."""
    splits = report["splits"]
    values = list(splits.values())
    height, width = report["input_hw"]
    rows = [["", *splits]]
    rows += [[title, *(str(split[key]) for split in values)] for key, title in _COUNTS.items()]
    rows += [[], ["boxes of each class"]]
    for name in _class_names(values):
        rows.append([f"  {name}", *(str(split["class_boxes"].get(name, "-")) for split in values)])
    for key, title in (
        ("sizes_original", "box area in the picture"),
        ("sizes_input", f"box area in the {width}x{height} input"),
    ):
        rows += [[], [title]]
        for size, limit in (("small", "< 32²"), ("medium", "< 96²"), ("large", "")):
            cells = (share(split[key][size], split["boxes"]) for split in values)
            rows.append([f"  {size} {limit}", *cells])
    for grid_size in values[0]["ceilings"]:
        rows += _ceiling_rows(grid_size, values)
    if "head" not in report:
        return aligned(rows)
    head_rows, advice = format_head(report, _class_names(values))
    return "\n".join([aligned(rows + head_rows), *advice])


def _ceiling_rows(grid_size: str, values: list[dict[str, Any]]) -> list[list[str]]:
    ceilings = [split["ceilings"][grid_size] for split in values]
    kept = [share(ceiling["kept"], ceiling["boxes"]) for ceiling in ceilings]
    title = f"at best, {grid_size}x{grid_size} cells with one object each"
    if any(split["ceiling_images"] < split["images"] for split in values):
        title += f", on {', '.join(str(split['ceiling_images']) for split in values)} pictures"
    rows: list[list[str]] = [[], [title], ["  boxes held", *kept]]
    for score, name in _SCORES.items():
        rows.append([f"  {name}", *(number(ceiling[score]) for ceiling in ceilings)])
    for name in _class_names(values):
        scores = (ceiling["per_class"].get(name, {}).get("AP") for ceiling in ceilings)
        rows.append([f"  AP of {name}", *map(number, scores)])
    return rows


def _class_names(values: list[dict[str, Any]]) -> list[str]:
    """Classes that have a box in some split, in order of first mention."""
    named = {name: count for split in values for name, count in split["class_boxes"].items()}
    return [name for name in named if any(split["class_boxes"].get(name) for split in values)]
