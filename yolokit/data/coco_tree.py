"""What a COCO file holds, as flat arrays and tables: read once, used by everybody.

Training, checking, counting and scoring all start from a `CocoTree`. `coco_file.read_tree` makes
one from JSON; a converter of another format makes the same.

Shape legend: I images, A annotations, K categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import DataError
from yolokit.types import ImageId

Level = Literal["error", "warning", "note"]
CASES_KEPT = 1000  # of one fault; the count goes on
_SHOWN = 5  # examples in a one-line message


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault of one file.

    Args:
        code: its name, the same everywhere.
        level: ``error`` stops training, ``warning`` leaves something out or makes scores lie,
            ``note`` is only worth knowing.
        count: how often.
        summary: what is wrong, with the count in it.
        cases: the first of them, by id; at most ``CASES_KEPT``.
        advice: what to do.
        stops_scoring: whether not even results can be scored against the file.
    """

    code: str
    level: Level
    count: int
    summary: str
    cases: tuple[str, ...] = ()
    advice: str = ""
    stops_scoring: bool = False

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        cases = f": {some(self.cases, self.count)}" if self.cases else ""
        return f"{self.summary}{cases}. {self.advice}".rstrip()


class Problem(IntEnum):
    """Why an annotation cannot be learnt from. Up to ``NOT_FINITE`` it cannot be scored either."""

    NONE = 0
    NOT_OBJECT = 1
    UNKNOWN_IMAGE = 2
    UNKNOWN_CATEGORY = 3
    NO_BOX = 4
    NOT_FOUR_NUMBERS = 5
    NOT_FINITE = 6
    NEGATIVE_SIZE = 7
    ZERO_AREA = 8
    OUTSIDE = 9

    @property
    def reason(self) -> str:
        """In a few words."""
        return _REASONS[self]


_REASONS = {
    Problem.NONE: "",
    Problem.NOT_OBJECT: "not an object",
    Problem.UNKNOWN_IMAGE: "of an image that the file does not list",
    Problem.UNKNOWN_CATEGORY: "of a category that the file does not list",
    Problem.NO_BOX: "no bbox",
    Problem.NOT_FOUR_NUMBERS: "not four numbers",
    Problem.NOT_FINITE: "not finite",
    Problem.NEGATIVE_SIZE: "negative size",
    Problem.ZERO_AREA: "zero area",
    Problem.OUTSIDE: "outside the picture",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoTree:
    """One annotation file's content.

    Args:
        where: what to call it in a message, usually its path.
        image_ids: I ids as the file writes them, unique.
        file_names: I names, relative to the picture folder, with ``/`` between folders.
        sizes_hw: [I, 2] int64 (height, width) as stated; 0 where the file does not say.
        category_ids: K ids, unique, in file order.
        category_names: K names, maybe not unique.
        category_parents: K supercategories; empty text where there is none.
        image_index: [A] int64 row of the image table; -1 for an image that is not listed.
        category_index: [A] int64 row of the category table; -1 for an unlisted category.
        boxes_xywh: [A, 4] float64 original pixels, as stated; NaN where there is no box.
        areas: [A] float64 square pixels as stated; NaN where the file does not say.
        crowd: [A] bool, a box around a group.
        turned: [A] bool, the annotation tool has turned the box: it is not the object's extent.
        problems: [A] int8 of ``Problem``, as far as reading can tell.
        annotation_ids: [A] int64; those that are no such numbers stand in ``odd_ids``.
        strange_images: row -> image id as the file has it, of the first annotations of an image
            that is not listed.
        odd_ids: row -> id that is text, a longer number, or a place for want of one.
        faults: all that is wrong with the file.
        label_files: [I] the file that each picture's labels stand in; empty where one file holds
            all of them.
        lines: [A] int64 line of each annotation in its label file, from 1.
    """

    where: str
    image_ids: tuple[ImageId, ...]
    file_names: tuple[str, ...]
    sizes_hw: NDArray[np.int64]
    category_ids: tuple[int, ...]
    category_names: tuple[str, ...]
    category_parents: tuple[str, ...]
    image_index: NDArray[np.int64]
    category_index: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    problems: NDArray[np.int8]
    annotation_ids: NDArray[np.int64]
    odd_ids: Mapping[int, ImageId] = field(default_factory=dict)
    strange_images: Mapping[int, ImageId] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    label_files: tuple[str, ...] = ()
    lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.image_index)

    @cached_property
    def scorable(self) -> NDArray[np.bool_]:
        """[A] annotations that pycocotools can count: a finite box, of listed image and category.

        Boxes of zero area, of negative size and outside the picture are among them: pycocotools
        counts them as missed.
        """
        found: NDArray[np.bool_] = self.problems == Problem.NONE
        return found | (self.problems > Problem.NOT_FINITE)

    @cached_property
    def category_used(self) -> NDArray[np.bool_]:
        """[K] whether any annotation is of the category."""
        listed = self.category_index[self.category_index >= 0]
        return np.bincount(listed, minlength=len(self.category_ids)) > 0

    @cached_property
    def index_of_image(self) -> dict[str, int]:
        """Row of each image by its id in writing: 7, 7.0 and "7" are one id."""
        return {str(image_id): index for index, image_id in enumerate(self.image_ids)}

    def annotation_id(self, row: int) -> ImageId:
        """The id of an annotation, or its place where it has none: in the file, or FILE:LINE."""
        if self.label_files:
            return f"{self.label_files[self.image_index[row]]}:{self.lines[row]}"
        return self.odd_ids.get(row, int(self.annotation_ids[row]))

    def case(self, row: int) -> str:
        """An annotation in words, for a list of faults."""
        if self.label_files:
            return str(self.annotation_id(row))
        return f"annotation {self.annotation_id(row)} of image {self.image_of(row)}"

    def image_of(self, row: int) -> ImageId:
        """The id of the image that an annotation belongs to, listed or not; or "?"."""
        index = int(self.image_index[row])
        return self.image_ids[index] if index >= 0 else self.strange_images.get(row, "?")

    def pictures(self, indices: NDArray[np.int64]) -> CocoTree:
        """The tree of some of the pictures, in the order given; without faults."""
        place = np.full(len(self.image_ids), -1, dtype=np.int64)
        place[indices] = np.arange(len(indices))
        moved = np.where(self.image_index >= 0, place[self.image_index], -1)
        rows = np.flatnonzero(moved >= 0)
        arrays = ["category_index", "boxes_xywh", "areas", "crowd", "turned", "problems"]
        named: dict[str, Any] = {}
        if self.label_files:
            arrays.append("lines")
            named["label_files"] = tuple(self.label_files[index] for index in indices.tolist())
        return replace(
            self,
            image_ids=tuple(self.image_ids[index] for index in indices.tolist()),
            file_names=tuple(self.file_names[index] for index in indices.tolist()),
            sizes_hw=self.sizes_hw[indices],
            image_index=moved[rows],
            annotation_ids=self.annotation_ids[rows],
            odd_ids={
                new: self.odd_ids[row]
                for new, row in enumerate(rows.tolist() if self.odd_ids else ())
                if row in self.odd_ids
            },
            **{name: getattr(self, name)[rows] for name in arrays},
            **named,
            strange_images={},
            faults=(),
        )

    def with_faults(self, faults: Iterable[Fault]) -> CocoTree:
        """The same tree with more faults listed."""
        return replace(self, faults=(*self.faults, *faults))

    def require(self, *, for_scoring: bool = False) -> None:
        """Refuse the file if a fault stops training, or even scoring.

        Raises:
            DataError: every such fault, in one line.
        """
        stopping = [
            fault
            for fault in self.faults
            if (fault.stops_scoring if for_scoring else fault.level == "error")
        ]
        if stopping:
            lines = " ".join(fault.line for fault in stopping)
            raise DataError(f"{self.where}: {lines}")


def some(values: Iterable[object], count: int | None = None) -> str:
    """The first few values in words, and how many more of ``count`` there are."""
    texts = [str(value) for value in values]
    more = (len(texts) if count is None else count) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
