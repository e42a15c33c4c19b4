"""The sets as every contestant gets them: a list of splits, and their truth as plain numbers.

Only the standard library: yolokit's Python and the peers' Python both read this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Split:
    """Where one split lies; ``fingerprint`` tells its content."""

    images: Path
    annotations: Path
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Set:
    """One data set: the folder a contestant of ours is given, and its splits by name."""

    name: str
    data: Path
    splits: dict[str, Split]

    @property
    def fingerprints(self) -> dict[str, str]:
        """What tells two versions of this set apart."""
        return {name: split.fingerprint for name, split in self.splits.items()}


class Box(NamedTuple):
    """One object: label 0..C-1 and corners in pixels of the picture, clipped to it."""

    label: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture as its annotation file describes it, groups ("crowds") left out."""

    image_id: int
    file: Path
    width: int
    height: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One split; label i stands for ``category_ids[i]``, ids ascending."""

    category_ids: tuple[int, ...]
    class_names: tuple[str, ...]
    pictures: tuple[Picture, ...]


def read_sets(file: Path) -> dict[str, Set]:
    """The sets that ``list_sets.py`` listed, by name."""
    return {
        name: Set(
            name=name,
            data=Path(entry["data"]),
            splits={
                split: Split(
                    images=Path(paths["images"]),
                    annotations=Path(paths["annotations"]),
                    fingerprint=paths["fingerprint"],
                )
                for split, paths in entry["splits"].items()
            },
        )
        for name, entry in json.loads(file.read_text(encoding="utf-8")).items()
    }


def read_truth(split: Split) -> Truth:
    """A split's classes, pictures and usable boxes: clipped, of some area, no crowds."""
    tree = json.loads(split.annotations.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in tree["categories"]}
    ids = tuple(sorted(names))
    labels = {category_id: label for label, category_id in enumerate(ids)}
    owned: dict[int, list[Any]] = {image["id"]: [] for image in tree["images"]}
    for annotation in tree["annotations"]:
        if not annotation.get("iscrowd", 0):
            owned[annotation["image_id"]].append(annotation)
    pictures = tuple(
        Picture(
            image_id=image["id"],
            file=split.images / image["file_name"],
            width=image["width"],
            height=image["height"],
            boxes=_boxes(owned[image["id"]], labels, image["width"], image["height"]),
        )
        for image in tree["images"]
    )
    return Truth(
        category_ids=ids, class_names=tuple(names[each] for each in ids), pictures=pictures
    )


def read_truths(data: Set, names: Iterable[str]) -> dict[str, Truth]:
    """Several splits of one set, which must agree on their classes."""
    truths = {name: read_truth(data.splits[name]) for name in names}
    if len({(truth.category_ids, truth.class_names) for truth in truths.values()}) != 1:
        raise SystemExit(f"error: the splits of {data.name} differ in their categories")
    return truths


def _boxes(
    annotations: list[Any], labels: dict[int, int], width: int, height: int
) -> tuple[Box, ...]:
    found = []
    for annotation in annotations:
        left, top, box_width, box_height = annotation["bbox"]
        box = Box(
            labels[annotation["category_id"]],
            min(max(left, 0.0), width),
            min(max(top, 0.0), height),
            min(max(left + box_width, 0.0), width),
            min(max(top + box_height, 0.0), height),
        )
        if box.right > box.left and box.bottom > box.top:
            found.append(box)
    return tuple(found)
