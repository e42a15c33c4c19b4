"""A COCO annotation file as flat arrays, its ids mapped and its bad boxes set aside.

The JSON tree is dropped after reading: a few NumPy arrays hold the whole truth, so a large data
set costs bytes, not Python objects, and is shared with worker processes.

Shape legend: I images, N boxes of the whole file, M boxes of one picture, C classes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_file import (
    BadBox,
    ClassTable,
    Pictures,
    read_annotations,
    read_categories,
    read_images,
    read_tree,
    some,
)
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

DEFAULT_MAX_BAD_BOXES = 0.05  # fraction of a file's boxes
_OF_BOXES = ("boxes", "labels", "crowd", "annotation_ids")  # the arrays with an entry a box


class ImageTruth(NamedTuple):
    """The truth of one picture: boxes [M, 4] float32 xyxy original pixels, labels [M], crowd [M].

    ``crowd`` marks boxes around a group: no positives for training, "ignore" in evaluation.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoDataset:
    """One split: where its pictures are and what is in them.

    Args:
        images_folder: the folder that ``file_names`` are relative to.
        annotations: the file this was read from.
        class_names: name of each label, C of them.
        category_ids: the user's category id of each label, C of them.
        image_ids: [I] int64, in file order.
        file_names: [I] text.
        sizes_hw: [I, 2] int64 (height, width) as the file states them.
        box_offsets: [I + 1] int64; picture i owns boxes ``box_offsets[i]:box_offsets[i + 1]``.
        boxes: [N, 4] float32 xyxy original pixels, inside the picture, area above zero.
        labels: [N] int64 in 0..C-1.
        crowd: [N] bool.
        annotation_ids: [N] int64.
        bad_boxes: the boxes that were dropped, in file order.
        fingerprint: SHA-256 of classes, pictures and kept boxes; of no path and no dropped box.
    """

    images_folder: Path
    annotations: Path
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    image_ids: NDArray[np.int64]
    file_names: NDArray[np.str_]
    sizes_hw: NDArray[np.int64]
    box_offsets: NDArray[np.int64]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    annotation_ids: NDArray[np.int64]
    bad_boxes: tuple[BadBox, ...]
    fingerprint: str

    @classmethod
    def load(
        cls,
        split: SplitConfig,
        *,
        max_bad_boxes: float = DEFAULT_MAX_BAD_BOXES,
        category_ids: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> CocoDataset:
        """Read and check a COCO annotation file. No picture is opened.

        Args:
            split: the picture folder and the annotation file.
            max_bad_boxes: the largest fraction of bad boxes that is dropped without an error.
            category_ids: the table of a training set or model card to align to, so that a label
                means the same class there and here; by default this file's ids, ascending.
            class_names: that table's names; where given, names must agree as well.

        Raises:
            DataError: unreadable or malformed file, repeated or unknown ids, a category outside
                the table, too many bad boxes.
        """
        tree = read_tree(split.annotations)
        where = str(split.annotations)
        names = read_categories(tree["categories"], where)
        table = ClassTable.of(names, category_ids, class_names, where)
        pictures = read_images(tree["images"], where)
        rows = read_annotations(tree["annotations"], pictures, names, table, where)
        total = len(tree["annotations"])
        del tree
        _limit_bad_boxes(rows.bad, total, max_bad_boxes, where)
        kept = rows.by_picture(len(pictures.ids))
        return cls(
            images_folder=split.images,
            annotations=split.annotations,
            class_names=table.class_names,
            category_ids=table.category_ids,
            image_ids=pictures.ids,
            file_names=pictures.file_names,
            sizes_hw=pictures.sizes_hw,
            bad_boxes=tuple(rows.bad),
            fingerprint=_fingerprint(table, pictures, kept),
            **kept,
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def box_owners(self) -> NDArray[np.int64]:
        """[N] index of the picture that each box is in."""
        return np.repeat(np.arange(len(self)), np.diff(self.box_offsets))

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


def _limit_bad_boxes(bad: list[BadBox], total: int, limit: float, where: str) -> None:
    if len(bad) <= limit * total:
        return
    share = math.ceil(1000 * len(bad) / total) / 1000
    examples = some([f"{box.annotation_id} ({box.reason})" for box in bad])
    raise DataError(
        f"{len(bad)} of {total} boxes in {where} are bad: annotation {examples}. Repair them, or "
        f"drop them with -o data.max_bad_boxes={share:g}"
    )


def _fingerprint(table: ClassTable, pictures: Pictures, kept: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    listed = [table.category_ids, table.class_names, pictures.file_names.tolist()]
    digest.update(json.dumps(listed).encode())
    keys = ("box_offsets", "boxes", "labels", "crowd")
    for array in (pictures.ids, pictures.sizes_hw, *(kept[key] for key in keys)):
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
