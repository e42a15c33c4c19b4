"""One split for training and evaluation: a tree's pictures and usable boxes, mapped to labels.

A few NumPy arrays hold the whole truth, so a large data set costs bytes, not Python objects, and
is shared with worker processes.

Shape legend: I images, A annotations of the file, N usable boxes, M boxes of one picture,
C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.classes import ClassTable, align_categories, class_table
from yolokit.data.coco_faults import clipped_corners, geometry_problems
from yolokit.data.coco_tree import CocoTree, Problem, some
from yolokit.data.fingerprint import fingerprint_of, id_array
from yolokit.data.images import verify_image
from yolokit.data.read_split import read_split
from yolokit.errors import DataError
from yolokit.machine import usable_cpus
from yolokit.sections import SplitConfig
from yolokit.types import ImageId

DEFAULT_MAX_BAD_BOXES = 0.05  # fraction of a file's boxes
_OF_BOXES = ("boxes", "labels", "crowd", "annotation_rows")  # the arrays with an entry a box


class ImageTruth(NamedTuple):
    """The truth of one picture: boxes [M, 4] float32 xyxy original pixels, labels [M], crowd [M].

    ``crowd`` marks boxes around a group: no positives for training, "ignore" in evaluation.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]


class BadBox(NamedTuple):
    """An annotation that was left out, by its id."""

    annotation_id: ImageId
    image_id: ImageId
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoDataset:
    """One split: where its pictures are and what is in them.

    Args:
        tree: the file that this was made from.
        images_folder: the folder that ``file_names`` are relative to.
        annotations: the path of the file.
        class_names: name of each label, C of them.
        category_ids: of each label in the table of classes, C of them: the training set's.
        own_ids: this file's category id of each label; None for a class it does not list.
        image_ids: [I] int64 in file order; objects where ids are text or longer numbers.
        file_names: [I] text.
        sizes_hw: [I, 2] int64 (height, width) as the file states them, or as the pictures are.
        box_offsets: [I + 1] int64; picture i owns boxes ``box_offsets[i]:box_offsets[i + 1]``.
        boxes: [N, 4] float32 xyxy original pixels, inside the picture, area above zero.
        labels: [N] int64 in 0..C-1.
        crowd: [N] bool.
        annotation_rows: [N] int64 row of each box in the tree.
        problems: [A] int8 of ``Problem``: why an annotation of the tree is not among the boxes.
        fingerprint: SHA-256 of classes, pictures and kept boxes; of no path and no dropped box.
    """

    tree: CocoTree
    images_folder: Path
    annotations: Path
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    own_ids: tuple[int | None, ...]
    image_ids: NDArray[Any]
    file_names: NDArray[np.str_]
    sizes_hw: NDArray[np.int64]
    box_offsets: NDArray[np.int64]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    annotation_rows: NDArray[np.int64]
    problems: NDArray[np.int8]
    fingerprint: str

    @classmethod
    def load(
        cls,
        split: SplitConfig,
        *,
        max_bad_boxes: float = DEFAULT_MAX_BAD_BOXES,
        classes: ClassTable | None = None,
    ) -> CocoDataset:
        """Read a split's labels, of whatever format, for training.

        Args:
            split: the picture folder and where the labels are.
            max_bad_boxes, classes: see ``of``.

        Raises:
            DataError: an unreadable file, a fault that stops training, a category outside the
                table, too many bad boxes.
        """
        tree = read_split(split)
        tree.require()
        return cls.of(tree, split, max_bad_boxes=max_bad_boxes, classes=classes)

    @classmethod
    def of(
        cls,
        tree: CocoTree,
        split: SplitConfig,
        *,
        max_bad_boxes: float = 1.0,
        classes: ClassTable | None = None,
    ) -> CocoDataset:
        """The split that a tree describes, whatever faults it has.

        Pictures are opened only where the tree does not know their size.

        Args:
            tree: the file's content.
            split: the picture folder and the annotation file.
            max_bad_boxes: the largest fraction of bad boxes that is dropped without an error.
            classes: the table of a training set or model to align to by name, so that a label
                means the same class there and here; by default this file's ids, ascending.

        Raises:
            DataError: a category outside the table, or too many bad boxes.
        """
        own = class_table(tree)
        table, own_ids = own, list[int | None](own.category_ids)
        if classes is not None:
            table = classes
            own_ids = align_categories(
                classes.class_names, classes.category_ids, tree, whose="the training set"
            )
        sizes_hw = _known_sizes(tree, split.images)
        problems = geometry_problems(tree, sizes_hw)
        _limit_bad_boxes(tree, problems, max_bad_boxes)
        kept = _kept_boxes(tree, problems, sizes_hw, own_ids)
        return cls(
            tree=tree,
            images_folder=split.images,
            annotations=split.annotations,
            class_names=table.class_names,
            category_ids=table.category_ids,
            own_ids=tuple(own_ids),
            image_ids=id_array(tree.image_ids),
            file_names=np.array(tree.file_names, dtype=np.str_),
            sizes_hw=sizes_hw,
            problems=problems,
            fingerprint=fingerprint_of(table, tree.file_names, tree.image_ids, sizes_hw, kept),
            **kept,
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def classes(self) -> ClassTable:
        """The table that labels follow."""
        return ClassTable(self.category_ids, self.class_names)

    @property
    def bad_boxes(self) -> tuple[BadBox, ...]:
        """The annotations that were left out, in file order."""
        return tuple(
            BadBox(
                self.tree.annotation_id(row),
                self.tree.image_of(row),
                Problem(self.problems[row]).reason,
            )
            for row in np.flatnonzero(self.problems).tolist()
        )

    @property
    def box_owners(self) -> NDArray[np.int64]:
        """[N] index of the picture that each box is in."""
        return np.repeat(np.arange(len(self)), np.diff(self.box_offsets))

    def image_id(self, index: int) -> ImageId:
        """The id of picture ``index`` as the file writes it."""
        found: ImageId = self.image_ids[index : index + 1].tolist()[0]
        return found

    def image_path(self, index: int) -> Path:
        """Where picture ``index`` lies."""
        return self.images_folder / str(self.file_names[index])

    @property
    def image_paths(self) -> list[Path]:
        """Where every picture lies, in file order."""
        return [self.image_path(index) for index in range(len(self))]

    def pictures(self, indices: Sequence[int]) -> CocoDataset:
        """Some of the pictures, in the order given, with their boxes; its fingerprint is empty."""
        chosen = np.asarray(indices, dtype=np.int64)
        starts, ends = self.box_offsets[chosen], self.box_offsets[chosen + 1]
        rows = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
        owned = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        return replace(
            self,
            **{name: getattr(self, name)[chosen] for name in ("image_ids", "file_names")},
            sizes_hw=self.sizes_hw[chosen],
            box_offsets=np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64),
            **{name: getattr(self, name)[owned] for name in _OF_BOXES},
            fingerprint="",
        )

    def truth(self, index: int) -> ImageTruth:
        """The boxes of picture ``index`` in file order, crowds included; maybe none."""
        owned = slice(self.box_offsets[index], self.box_offsets[index + 1])
        return ImageTruth(self.boxes[owned], self.labels[owned], self.crowd[owned])


def _known_sizes(tree: CocoTree, folder: Path) -> NDArray[np.int64]:
    """[I, 2] sizes, those that the file leaves out taken from the pictures.

    A picture that cannot be read gets the extent of its boxes: checking the pictures names it.
    """
    sizes_hw: NDArray[np.int64] = tree.sizes_hw.copy()
    unknown = np.flatnonzero((sizes_hw < 1).any(axis=1))
    if not unknown.size:
        return sizes_hw
    paths = [folder / tree.file_names[index] for index in unknown.tolist()]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        found = list(pool.map(verify_image, paths))
    rows = np.flatnonzero(tree.scorable)
    reach = np.ones((len(sizes_hw), 2))
    ends = np.ceil(tree.boxes_xywh[rows, :2] + tree.boxes_xywh[rows, 2:])[:, ::-1]
    np.maximum.at(reach, tree.image_index[rows], np.clip(ends, 1, 2**24))
    for index, facts in zip(unknown.tolist(), found, strict=True):
        sizes_hw[index] = reach[index] if isinstance(facts, str) else facts.upright_hw
    return sizes_hw


def _kept_boxes(
    tree: CocoTree,
    problems: NDArray[np.int8],
    sizes_hw: NDArray[np.int64],
    own_ids: Sequence[int | None],
) -> dict[str, Any]:
    """The usable boxes as arrays, grouped by picture, file order within each."""
    label_of_id = {each: label for label, each in enumerate(own_ids) if each is not None}
    label_of = np.array([label_of_id.get(each, -1) for each in tree.category_ids], dtype=np.int64)
    rows = np.flatnonzero(problems == Problem.NONE)
    rows = rows[np.argsort(tree.image_index[rows], kind="stable")]
    owners = tree.image_index[rows]
    counts = np.bincount(owners, minlength=len(tree.image_ids))
    arrays: dict[str, Any] = {
        "box_offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "boxes": clipped_corners(tree.boxes_xywh[rows], sizes_hw[owners]).T.astype(np.float32),
        "labels": label_of[tree.category_index[rows]],
        "crowd": tree.crowd[rows],
        "annotation_rows": rows,
    }
    arrays["boxes"] = np.ascontiguousarray(arrays["boxes"])
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _limit_bad_boxes(tree: CocoTree, problems: NDArray[np.int8], limit: float) -> None:
    bad, total = np.flatnonzero(problems), len(tree)
    if len(bad) <= limit * total:
        return
    share = math.ceil(1000 * len(bad) / total) / 1000
    examples = some(
        [f"{tree.annotation_id(row)} ({Problem(problems[row]).reason})" for row in bad.tolist()]
    )
    kind = "" if tree.label_files else "annotation "
    raise DataError(
        f"{len(bad)} of {total} boxes in {tree.where} are bad: {kind}{examples}. Repair "
        f"them, or drop them with -o data.max_bad_boxes={share:g}"
    )
