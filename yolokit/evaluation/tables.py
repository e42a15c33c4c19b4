"""Truth and detections as columns: checked once, numbered from 1, for whichever library counts.

Shape legend: N boxes of one side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.data.plain_values import plain_id
from yolokit.errors import DataError
from yolokit.types import ImageId

_ROW_KEYS = ("image_id", "category_id", "bbox", "score")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BoxTable:
    """The boxes of one side.

    Args:
        images, categories: [N] int64 numbers, from 1, in the order of ids.
        boxes_xywh: [N, 4] float64 original pixels, finite.
        areas: [N] float64 square pixels, what COCO's sizes go by.
        crowd: [N] bool; of detections false.
        scores: [N] float64; of truth 0.
    """

    images: NDArray[np.int64]
    categories: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.images)


class ScoringTables(NamedTuple):
    """What is scored against what; images and categories are numbered without gaps."""

    image_count: int
    category_count: int
    truth: BoxTable
    detections: BoxTable


def scoring_tables(truth: CocoTree, rows: Sequence[Mapping[str, Any]]) -> ScoringTables:
    """Check result rows against the truth and write both as columns; nothing is changed.

    Images and categories are numbered as their ids are ordered, for evaluators go through them
    in that order: `image_ranks` and `category_ranks` say which is which. Row n of ``rows`` is
    detection n. Arguments and errors are those of ``evaluate_rows``.
    """
    truth.require(for_scoring=True)
    images, categories = image_ranks(truth), category_ranks(truth)
    return ScoringTables(
        image_count=len(images),
        category_count=len(categories),
        truth=_truth_table(truth, images, categories),
        detections=_Rows(truth, images, categories).table(rows),
    )


def image_ranks(truth: CocoTree) -> NDArray[np.int64]:
    """[I] the number, from 1, of each image in the tables."""
    return _ranks(truth.image_ids)


def category_ranks(truth: CocoTree) -> NDArray[np.int64]:
    """[K] the number, from 1, of each category in the tables."""
    return _ranks(truth.category_ids)


def _ranks(ids: Sequence[ImageId]) -> NDArray[np.int64]:
    numbers = all(isinstance(each, int) for each in ids)
    order = sorted(range(len(ids)), key=ids.__getitem__ if numbers else lambda i: str(ids[i]))
    ranks = np.zeros(len(ids), dtype=np.int64)
    ranks[order] = np.arange(1, len(ids) + 1)
    return ranks


@np.errstate(over="ignore")  # of boxes beyond all pictures
def _truth_table(
    truth: CocoTree, images: NDArray[np.int64], categories: NDArray[np.int64]
) -> BoxTable:
    """The annotations that can be counted; a missing area is width times height."""
    kept = np.flatnonzero(truth.scorable)
    boxes, areas = truth.boxes_xywh[kept], truth.areas[kept]
    return BoxTable(
        images=images[truth.image_index[kept]],
        categories=categories[truth.category_index[kept]],
        boxes_xywh=boxes,
        areas=np.where(np.isnan(areas), boxes[:, 2] * boxes[:, 3], areas),
        crowd=truth.crowd[kept],
        scores=np.zeros(len(kept)),
    )


class _Rows:
    """Checks result rows against the truth and writes them as columns."""

    def __init__(
        self, truth: CocoTree, images: NDArray[np.int64], categories: NDArray[np.int64]
    ) -> None:
        self._ranks = {
            "image_id": dict(zip(map(str, truth.image_ids), images.tolist(), strict=True)),
            "category_id": dict(
                zip(map(str, truth.category_ids), categories.tolist(), strict=True)
            ),
        }

    @np.errstate(over="ignore")
    def table(self, rows: Sequence[Any]) -> BoxTable:
        """All rows; column by column where they are plain, which is 20 times as fast."""
        columns = self._plain_columns(rows)
        if columns is None:
            columns = _transposed([self._checked(row, number) for number, row in enumerate(rows)])
        images, categories, boxes, scores = columns
        xywh = boxes.reshape(-1, 4)
        return BoxTable(
            images=images,
            categories=categories,
            boxes_xywh=xywh,
            areas=xywh[:, 2] * xywh[:, 3],
            crowd=np.zeros(len(images), dtype=bool),
            scores=scores,
        )

    def _plain_columns(self, rows: Sequence[Any]) -> _Columns | None:
        """The columns of rows as JSON and `to_rows` have them; None where any is odd or wrong."""
        if not rows or set(map(type, rows)) != {dict}:
            return None
        try:
            ids, categories, boxes, scores = zip(*map(itemgetter(*_ROW_KEYS), rows), strict=True)
        except KeyError:
            return None
        if not (set(map(type, boxes)) <= {list, tuple} and set(map(len, boxes)) == {4}):
            return None
        coordinates = _plain_numbers(list(chain.from_iterable(boxes)))
        numbers = _plain_numbers(scores)
        images, labels = (
            self._plain_ranks(ids, "image_id"),
            self._plain_ranks(categories, "category_id"),
        )
        if coordinates is None or numbers is None or images is None or labels is None:
            return None
        return images, labels, coordinates, numbers

    def _plain_ranks(self, ids: Sequence[Any], key: str) -> NDArray[np.int64] | None:
        if not set(map(type, ids)) <= {int, str}:  # True is 1 in a set, and a list in none
            return None
        ranks = {each: self._rank(each, key) for each in set(ids)}
        if None in ranks.values():
            return None
        return np.fromiter(map(ranks.__getitem__, ids), np.int64, len(ids))

    def _rank(self, value: Any, key: str) -> int | None:
        found = plain_id(value, whole=key == "category_id")
        return self._ranks[key].get(str(found)) if found is not None else None

    def _checked(self, row: Any, number: int) -> tuple[int, int, list[float], float]:
        """One result row; ``number`` counts from 0."""
        where = f"results row {number}"
        if not isinstance(row, Mapping):
            raise DataError(f"{where} is {kind(row)}. Give {{image_id, category_id, bbox, score}}")
        missing = [key for key in _ROW_KEYS if key not in row]
        if missing:
            raise DataError(
                f"{where} lacks {', '.join(missing)}. Write box results in COCO's format"
            )
        box = _finite_box(row["bbox"])
        image, category = (self._known_rank(row, key, where) for key in self._ranks)
        if box is None:
            raise DataError(f"{where} has bbox {row['bbox']!r}. Give [x, y, width, height], finite")
        if not _is_finite(row["score"]):
            raise DataError(f"{where} has score {row['score']!r}. Give a finite number")
        return image, category, box, float(row["score"])

    def _known_rank(self, row: Mapping[str, Any], key: str, where: str) -> int:
        value = row[key].item() if isinstance(row[key], np.generic) else row[key]
        rank = self._rank(value, key)
        if rank is None:
            raise DataError(
                f"{where} has {key} {row[key]!r}, which the annotation file does not list. "
                "Score it against the split that was predicted"
            )
        return rank


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _transposed(entries: Sequence[tuple[int, int, list[float], float]]) -> _Columns:
    images, categories, boxes, scores = zip(*entries, strict=True) if entries else ([],) * 4
    return (
        np.array(images, dtype=np.int64),
        np.array(categories, dtype=np.int64),
        np.array(boxes, dtype=np.float64),
        np.array(scores, dtype=np.float64),
    )


def _plain_numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Finite numbers of Python's own types; None where any is something else."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond all floats
        return None
    return numbers if bool(np.isfinite(numbers).all()) else None


def _finite_box(box: Any) -> list[float] | None:
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_finite, box)):
        return None
    return [float(value) for value in box]


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def kind(value: Any) -> str:
    """What a value of JSON is, for a message."""
    kinds = {dict: "an object", list: "a list", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")
