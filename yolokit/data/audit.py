"""Everything that is wrong with a data set, found in one go."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from yolokit.data.check import check_images
from yolokit.data.coco import DEFAULT_MAX_BAD_BOXES, CocoDataset
from yolokit.errors import DataError
from yolokit.sections import SplitConfig


class Finding(NamedTuple):
    """One kind of fault in one place.

    Args:
        level: ``error`` stops training or evaluation, ``warning`` leaves something out or makes
            scores lie, ``note`` is only worth knowing.
        split: where; two splits are joined with ``+``.
        summary: what, and how often.
        details: each case, named by id or file.
    """

    level: Literal["error", "warning", "note"]
    split: str
    summary: str
    details: tuple[str, ...] = ()


def audit_splits(
    splits: Mapping[str, SplitConfig],
    *,
    max_bad_boxes: float = DEFAULT_MAX_BAD_BOXES,
    workers: int | None = None,
) -> list[Finding]:
    """Look for faults in annotation files and pictures; every picture is decoded.

    Args:
        splits: by name, as ``locate_splits`` gives them.
        max_bad_boxes: the fraction of bad boxes above which training refuses a split.
        workers: threads that decode pictures; by default one a core.

    Returns:
        All findings, split by split, then those between splits; empty where all is well.
    """
    datasets: dict[str, CocoDataset] = {}
    findings: list[Finding] = []
    for name, split in splits.items():
        try:
            datasets[name] = CocoDataset.load(split, max_bad_boxes=1.0)
        except DataError as error:
            findings.append(Finding("error", name, str(error)))
    for name, dataset in datasets.items():
        findings += _bad_boxes(name, dataset, max_bad_boxes)
        findings += _bad_pictures(name, dataset, workers)
        findings += _repeated_boxes(name, dataset)
        findings += _unused_classes(name, dataset) if name == "train" else ()
    findings += _foreign_classes(datasets)
    return [*findings, *_repeated_pictures(datasets)]


def _bad_boxes(name: str, dataset: CocoDataset, limit: float) -> Iterator[Finding]:
    bad, total = dataset.bad_boxes, len(dataset.boxes) + len(dataset.bad_boxes)
    details = tuple(
        f"annotation {box.annotation_id} of image {box.image_id}: {box.reason}" for box in bad
    )
    if len(bad) > limit * total:
        summary = f"bad boxes, more than the {limit:.0%} allowed: {len(bad)} of {total}"
        yield Finding("error", name, summary, details)
    elif bad:
        yield Finding("warning", name, f"bad boxes, left out: {len(bad)} of {total}", details)


def _bad_pictures(name: str, dataset: CocoDataset, workers: int | None) -> Iterator[Finding]:
    problems = check_images(dataset, workers)
    if problems:
        details = tuple(f"image {each.image_id} ({each.path}): {each.reason}" for each in problems)
        summary = f"pictures that cannot be used: {len(problems)} of {len(dataset)}"
        yield Finding("error", name, summary, details)


def _repeated_boxes(name: str, dataset: CocoDataset) -> Iterator[Finding]:
    owner = dataset.box_owners
    keys = np.column_stack([owner, dataset.labels, dataset.boxes.astype(np.float64)])
    _, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
    again = sorted(first[counts > 1].tolist())
    if again:
        details = tuple(
            f"annotation {dataset.annotation_ids[i]} of image {dataset.image_ids[owner[i]]}"
            for i in again
        )
        yield Finding("note", name, f"boxes annotated more than once: {len(again)}", details)


def _unused_classes(name: str, dataset: CocoDataset) -> Iterator[Finding]:
    counts = np.bincount(dataset.labels[~dataset.crowd], minlength=len(dataset.class_names))
    unused = tuple(dataset.class_names[label] for label in np.flatnonzero(counts == 0))
    if unused:
        yield Finding("note", name, f"classes without a box to learn from: {len(unused)}", unused)


def _foreign_classes(datasets: Mapping[str, CocoDataset]) -> Iterator[Finding]:
    """Classes that evaluation would stumble over: absent from training, or named otherwise."""
    if "train" not in datasets:
        return
    train = datasets["train"]
    known = dict(zip(train.category_ids, train.class_names, strict=True))
    for name, dataset in datasets.items():
        used = set(dataset.labels.tolist())
        details = []
        for label, category_id in enumerate(dataset.category_ids):
            own = dataset.class_names[label]
            if category_id not in known and label in used:
                details.append(f"category {category_id} ({own!r}) is not in train")
            elif known.get(category_id, own) != own:
                details.append(
                    f"category {category_id} is {own!r}, in train {known[category_id]!r}"
                )
        if details:
            yield Finding("error", name, "classes differ from those of train", tuple(details))


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
            yield Finding("warning", places, summary, tuple(details))
        else:
            summary = f"pictures that appear more than once: {len(details)}"
            yield Finding("note", places, summary, tuple(details))


def _equal_files(datasets: Mapping[str, CocoDataset]) -> list[list[tuple[str, Path]]]:
    """Groups of (split, file) with equal content; only files of equal length are read."""
    by_length: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, dataset in datasets.items():
        for path in dict.fromkeys(dataset.image_paths):
            if path.is_file():
                by_length[path.stat().st_size].append((name, path))
    by_content: dict[bytes, list[tuple[str, Path]]] = defaultdict(list)
    for places in by_length.values():
        for place in places if len(places) > 1 else ():
            by_content[hashlib.sha256(place[1].read_bytes()).digest()].append(place)
    return [places for places in by_content.values() if len(places) > 1]
