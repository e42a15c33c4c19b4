"""An unsplit set as one that trains: pictures shared out, annotation files written, nothing copied.

Shape legend: I pictures, G groups, C classes, P parts.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_parts import write_parts
from yolokit.data.formats.coco_copy import write_tree
from yolokit.data.grouping import Grouping, grouped
from yolokit.data.look_alikes import look_alikes, thumbnails
from yolokit.data.read_split import read_split
from yolokit.data.stratify import share_out
from yolokit.errors import DataError
from yolokit.files import put_in_place, require_unused_folder, scratch_beside
from yolokit.sections import SplitConfig

TRAIN = "train"
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Divided:
    """A split's pictures, shared out to parts.

    Args:
        dataset: the whole of it.
        split: where it was read from.
        parts: P names, ``train`` first.
        part_of: [I] index of each picture's part.
        grouping: what was kept together.
    """

    dataset: CocoDataset
    split: SplitConfig
    parts: tuple[str, ...]
    part_of: NDArray[np.int64]
    grouping: Grouping

    @property
    def pictures(self) -> NDArray[np.int64]:
        """[P] pictures."""
        return np.bincount(self.part_of, minlength=len(self.parts))

    @property
    def empty(self) -> NDArray[np.int64]:
        """[P] pictures without a box, crowds left out."""
        real = self.dataset.box_owners[~self.dataset.crowd]
        without = np.setdiff1d(np.arange(len(self.dataset)), real)
        return np.bincount(self.part_of[without], minlength=len(self.parts))

    @property
    def boxes(self) -> NDArray[np.int64]:
        """[P, C] boxes, crowds left out."""
        return class_counts(self.dataset, self.part_of, len(self.parts))[1]

    @property
    def groups_of_class(self) -> NDArray[np.int64]:
        """[C] groups of pictures that hold a class."""
        groups = self.grouping
        pictures, _ = class_counts(self.dataset, groups.group_of, len(groups.sizes))
        found: NDArray[np.int64] = (pictures > 0).sum(axis=0)
        return found


def divide(
    split: SplitConfig,
    shares: Mapping[str, float],
    *,
    rule: Callable[[str], str | None],
    near_duplicates: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Divided:
    """Share the pictures of a split out; nothing is written.

    Args:
        split: its pictures and its labels.
        shares: part -> its share of the pictures, above 0; the rest, above 0, is ``train``'s.
        rule: which pictures' names are of one group, see ``grouping.naming_rule``.
        near_duplicates: keep pictures that look alike together as well; each is opened.
        seed: equal seeds give equal parts.
        progress: is called with what is being done, and the share of it that is.

    Raises:
        DataError: a file that cannot be trained on, or too few pictures that may part.
        ImageError: a picture that cannot be opened.
    """
    tree = read_split(split, progress=_told(progress, "reading"))
    tree.require()
    dataset = CocoDataset.of(tree, split)
    alike: list[tuple[int, int]] = []
    if near_duplicates:
        looking = _told(progress, "comparing pictures")
        alike = look_alikes(thumbnails(dataset.image_paths, progress=looking))
    grouping = grouped(tree.file_names, rule, alike)
    groups = len(grouping.sizes)
    if groups <= len(shares):
        raise DataError(_too_few(split, grouping, len(shares) + 1))
    pictures, boxes = class_counts(dataset, grouping.group_of, groups)
    group_part = share_out(
        grouping.sizes, pictures, boxes, [1 - sum(shares.values()), *shares.values()], seed=seed
    )
    return Divided(
        dataset=dataset,
        split=split,
        parts=(TRAIN, *shares),
        part_of=group_part[grouping.group_of],
        grouping=grouping,
    )


def class_counts(
    dataset: CocoDataset, owner: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pictures that hold each class, and boxes of it, by owner of the picture; no crowds.

    Args:
        dataset: of I pictures and C classes.
        owner: [I] numbers below ``count``: of a group, or a part.

    Returns:
        Two arrays [count, C].
    """
    real = ~dataset.crowd
    pairs = np.stack([dataset.box_owners[real], dataset.labels[real]], axis=1)
    shape = (count, len(dataset.class_names))
    found = []
    for rows in (np.unique(pairs, axis=0), pairs):
        counts = np.zeros(shape, dtype=np.int64)
        np.add.at(counts, (owner[rows[:, 0]], rows[:, 1]), 1)
        found.append(counts)
    return found[0], found[1]


def write_divided(
    divided: Divided, folder: Path, *, kept: Mapping[str, SplitConfig], made_by: str
) -> None:
    """Write a COCO file for each part and a ``data.yaml``, into a new folder, whole or not at all.

    Pictures stay where they are; the ``data.yaml`` says where, relative to itself.

    Args:
        divided: what to write.
        folder: does not exist yet, or is empty.
        kept: other splits of the set, which the ``data.yaml`` names as they are.
        made_by: one line, for its head.

    Raises:
        DataError: the folder is in use.
    """
    require_unused_folder(folder)
    home = folder.absolute()
    with scratch_beside(home) as scratch:
        new = scratch / home.name
        (new / "annotations").mkdir(parents=True)
        _write_parts(divided, new)
        splits = {
            part: SplitConfig(images=divided.split.images, annotations=home / _file(part))
            for part in divided.parts
        }
        for name, split in kept.items():
            splits[name] = split if split.format == "coco" else _as_coco(name, split, new, home)
        lines = [_yaml_line(name, split, home) for name, split in splits.items()]
        text = "\n".join([f"# {made_by}", *lines, ""])
        (new / "data.yaml").write_text(text, encoding="utf-8")
        put_in_place(new, home)


def _file(part: str) -> Path:
    return Path(f"annotations/instances_{part}.json")


def _write_parts(divided: Divided, new: Path) -> None:
    """A COCO file for each part; from a COCO file, every entry as it stands."""
    tree = divided.dataset.tree
    if divided.split.format == "coco":
        part_of = {
            str(image_id): divided.parts[part]
            for image_id, part in zip(tree.image_ids, divided.part_of.tolist(), strict=True)
        }
        targets = {part: new / _file(part) for part in divided.parts}
        write_parts(divided.split.annotations, part_of, targets, rest=TRAIN)
        return
    sized = dataclasses.replace(tree, sizes_hw=divided.dataset.sizes_hw)
    for index, part in enumerate(divided.parts):
        own = sized.pictures(np.flatnonzero(divided.part_of == index))
        write_tree(new / _file(part), own, own.file_names)


def _as_coco(name: str, split: SplitConfig, new: Path, home: Path) -> SplitConfig:
    """A split that is kept, its labels of another format written as a COCO file."""
    tree = read_split(split)
    sized = dataclasses.replace(tree, sizes_hw=CocoDataset.of(tree, split).sizes_hw)
    write_tree(new / _file(name), sized, sized.file_names)
    return SplitConfig(images=split.images, annotations=home / _file(name))


def _yaml_line(name: str, split: SplitConfig, home: Path) -> str:
    paths = {
        "images": _seen_from(split.images, home),
        "annotations": _seen_from(split.annotations, home),
    }
    return f"{name}: {json.dumps(paths, ensure_ascii=False)}"  # JSON is YAML


def _seen_from(path: Path, folder: Path) -> str:
    """A path relative to a folder, so that both can be moved together."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return path.resolve().as_posix()


def _too_few(split: SplitConfig, grouping: Grouping, parts: int) -> str:
    pictures, groups = len(grouping.group_of), len(grouping.sizes)
    if pictures < parts:
        return (
            f"{split.annotations} lists {pictures} pictures, too few for {parts} splits. "
            "Leave one out with --val 0 or --test 0"
        )
    why = ["by their names"] if grouping.by_name else []
    why += ["by their looks"] if grouping.look_alikes else []
    off = ["--group-by none"] if grouping.by_name else []
    off += ["--no-near-duplicates"] if grouping.look_alikes else []
    return (
        f"the {pictures} pictures of {split.annotations} hang together {' and '.join(why)} in "
        f"{groups} {'group' if groups == 1 else 'groups'}, too few for {parts} splits. To part "
        f"them nonetheless: {' '.join(off)}"
    )


def _told(progress: Progress | None, what: str) -> Callable[[float], None] | None:
    return None if progress is None else lambda share: progress(what, share)
