"""Everything that is wrong with a data set, found in one go."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from yolokit.data.check import check_images
from yolokit.data.classes import ClassTable, align_categories, class_table
from yolokit.data.coco import DEFAULT_MAX_BAD_BOXES, CocoDataset
from yolokit.data.coco_tree import CocoTree, Fault, Level
from yolokit.data.read_split import read_split
from yolokit.data.split_faults import split_faults
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

Progress = Callable[[str, float], None]  # told what is being done, and the share of it, 0..1


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault in one place.

    Args:
        level: ``error`` stops training or evaluation, ``warning`` leaves something out or makes
            scores lie, ``note`` is only worth knowing.
        split: where; two splits are joined with ``+``.
        summary: what, how often, and what to do.
        details: the first cases, named by id or file.
        code: the kind of fault, the same everywhere.
        count: of all cases.
    """

    level: Level
    split: str
    summary: str
    details: tuple[str, ...] = ()
    code: str = ""
    count: int = 0


def audit_splits(
    splits: Mapping[str, SplitConfig],
    *,
    max_bad_boxes: float = DEFAULT_MAX_BAD_BOXES,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Look for faults in annotation files and pictures; every picture is decoded.

    Args:
        splits: by name, as ``locate_splits`` gives them.
        max_bad_boxes: the fraction of bad boxes above which training refuses a split.
        workers: threads that decode pictures; by default one a core.
        progress: is called with what is being done and how far it is.

    Returns:
        All findings, split by split, then those between splits; empty where all is well.
    """
    datasets: dict[str, CocoDataset] = {}
    findings: list[Finding] = []
    classes: ClassTable | None = None
    for name, split in splits.items():
        try:
            tree = read_split(split, progress=_part(progress, f"reading {name}"))
        except DataError as error:
            findings.append(Finding("error", name, str(error), code="unreadable", count=1))
            continue
        if name == "train":
            classes = class_table(tree)
        datasets[name] = dataset = CocoDataset.of(tree, split)
        faults = split_faults(name, dataset, max_bad_boxes=max_bad_boxes)
        findings += [_finding(name, fault) for fault in faults]
        findings += _bad_pictures(name, dataset, workers, _part(progress, f"looking at {name}"))
        findings += _foreign_classes(name, tree, classes)
    return [*findings, *_repeated_pictures(datasets)]


def _part(progress: Progress | None, label: str) -> Callable[[float], None] | None:
    return None if progress is None else lambda share: progress(label, share)


def _finding(split: str, fault: Fault) -> Finding:
    summary = f"{fault.summary}. {fault.advice}"
    return Finding(fault.level, split, summary, fault.cases, fault.code, fault.count)


def _bad_pictures(
    name: str,
    dataset: CocoDataset,
    workers: int | None,
    progress: Callable[[float], None] | None,
) -> Iterator[Finding]:
    problems = check_images(dataset, workers, progress=progress)
    if problems:
        details = tuple(f"image {each.image_id} ({each.path}): {each.reason}" for each in problems)
        summary = f"pictures that cannot be used: {len(problems)} of {len(dataset)}"
        yield Finding("error", name, summary, details, "bad-picture", len(problems))


def _foreign_classes(name: str, tree: CocoTree, train: ClassTable | None) -> Iterator[Finding]:
    """Classes that training does not know, which evaluation would stumble over."""
    if train is None or name == "train":
        return
    try:
        align_categories(train.class_names, train.category_ids, tree, whose="the training set")
    except DataError as error:
        yield Finding("error", name, str(error), code="foreign-class", count=1)


def _repeated_pictures(datasets: Mapping[str, CocoDataset]) -> Iterator[Finding]:
    """Equal files, within a split and between two: the latter make a test score too good."""
    groups: dict[str, list[str]] = defaultdict(list)
    for copies in _equal_files(datasets):
        places = "+".join(dict.fromkeys(split for split, _ in copies))
        groups[places].append(" = ".join(path.name for _, path in copies))
    for places, details in sorted(groups.items()):
        if "+" in places:
            summary = (
                f"pictures in more than one split, which makes scores too good: {len(details)}"
            )
            yield Finding("warning", places, summary, tuple(details), "leak", len(details))
        else:
            summary = f"pictures that appear more than once: {len(details)}"
            yield Finding("note", places, summary, tuple(details), "copy", len(details))


def _equal_files(datasets: Mapping[str, CocoDataset]) -> list[list[tuple[str, Path]]]:
    """Groups of (split, file) with equal content; only files of equal length are read."""
    by_length: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, dataset in datasets.items():
        for path in dict.fromkeys(dataset.image_paths):
            if os.path.isfile(path):  # noqa: PTH113 - false for a name that no system takes
                by_length[path.stat().st_size].append((name, path))
    by_content: dict[bytes, list[tuple[str, Path]]] = defaultdict(list)
    for places in by_length.values():
        for place in places if len(places) > 1 else ():
            by_content[hashlib.sha256(place[1].read_bytes()).digest()].append(place)
    return [places for places in by_content.values() if len(places) > 1]
