"""An unsplit set as one that trains: pictures shared out, annotation files written, nothing copied.

Shape legend: I pictures, G groups, C classes, P parts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_file import read_tree
from yolokit.data.coco_parts import write_parts
from yolokit.data.grouping import Grouping, grouped
from yolokit.data.look_alikes import look_alikes, thumbnails
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
        parts: P names, ``train`` first.
        part_of: [I] index of each picture's part.
        grouping: what was kept together.
    """

    dataset: CocoDataset
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
        split: its pictures and its COCO file.
        shares: part -> its share of the pictures, above 0; the rest, above 0, is ``train``'s.
        rule: which pictures' names are of one group, see ``grouping.naming_rule``.
        near_duplicates: keep pictures that look alike together as well; each is opened.
        seed: equal seeds give equal parts.
        progress: is called with what is being done, and the share of it that is.

    Raises:
        DataError: a file that cannot be trained on, or too few pictures that may part.
        ImageError: a picture that cannot be opened.
    """
    tree = read_tree(split.annotations, progress=_told(progress, "reading"))
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
    source, home = divided.dataset.annotations, folder.absolute()
    names = {part: f"annotations/instances_{part}.json" for part in divided.parts}
    ids = map(str, divided.dataset.tree.image_ids)
    part_of = dict(zip(ids, (divided.parts[each] for each in divided.part_of), strict=True))
    with scratch_beside(home) as scratch:
        new = scratch / home.name
        (new / "annotations").mkdir(parents=True)
        targets = {part: new / name for part, name in names.items()}
        write_parts(source, part_of, targets, rest=TRAIN)
        images = divided.dataset.images_folder
        lines = [_yaml_line(part, _seen_from(images, home), name) for part, name in names.items()]
        lines += [
            _yaml_line(name, _seen_from(split.images, home), _seen_from(split.annotations, home))
            for name, split in kept.items()
        ]
        text = "\n".join([f"# {made_by}", *lines, ""])
        (new / "data.yaml").write_text(text, encoding="utf-8")
        put_in_place(new, home)


def _yaml_line(split: str, images: str, annotations: str) -> str:
    paths = {"images": images, "annotations": annotations}
    return f"{split}: {json.dumps(paths, ensure_ascii=False)}"  # JSON is YAML


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
