"""COCO truth and results, given to pycocotools as its own objects."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_file import read_tree
from yolokit.data.coco_json import read_text
from yolokit.data.coco_tree import CocoTree
from yolokit.data.plain_values import plain_id
from yolokit.errors import DataError
from yolokit.types import ImageId

if TYPE_CHECKING:
    from pycocotools.coco import COCO

_ROW_KEYS = ("image_id", "category_id", "bbox", "score")


def load_truth(path: Path, *, progress: Callable[[float], None] | None = None) -> CocoTree:
    """The COCO annotation file to score against.

    Raises:
        DataError: unreadable, not JSON, not COCO's layout, or ids that are not unique.
    """
    tree = read_tree(path, progress=progress)
    tree.require(for_scoring=True)
    return tree


def load_rows(path: Path) -> list[dict[str, Any]]:
    """A COCO results file: a JSON list of ``{image_id, category_id, bbox, score}``.

    Raises:
        DataError: unreadable, not JSON, or not a list.
    """
    try:
        rows = json.loads(read_text(path, "results file"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"results file {path} is not JSON: {error}. Is it complete?") from error
    if not isinstance(rows, list):
        raise DataError(
            f"results file {path} holds {_kind(rows)}. "
            "Give a list of rows {image_id, category_id, bbox, score}"
        )
    return rows


def to_coco(truth: CocoTree, rows: Sequence[Mapping[str, Any]]) -> tuple[COCO, COCO]:
    """Truth and detections as pycocotools' own objects: checked, copied, numbered from 1.

    Images and categories are numbered as their ids are ordered, for pycocotools goes through them
    in that order: `image_ranks` and `category_ranks` say which is which. Annotations are numbered
    as they stand, and detection n has the number of its row plus one. Arguments and errors are
    those of ``evaluate_rows``.
    """
    from pycocotools.coco import COCO

    truth.require(for_scoring=True)
    images, categories = image_ranks(truth), category_ranks(truth)
    detections = _Detections(truth, images, categories)
    tables = {
        "images": [{"id": rank} for rank in sorted(images.tolist())],
        "categories": [{"id": rank} for rank in sorted(categories.tolist())],
    }
    pair = COCO(), COCO()
    for coco, entries in zip(
        pair,
        (
            _annotations(truth, images, categories),
            [detections.entry(row, number) for number, row in enumerate(rows)],
        ),
        strict=True,
    ):
        coco.dataset = {**tables, "annotations": entries}
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            coco.createIndex()
    return pair


def image_ranks(truth: CocoTree) -> NDArray[np.int64]:
    """[I] the number, from 1, of each image in pycocotools' hands."""
    return _ranks(truth.image_ids)


def category_ranks(truth: CocoTree) -> NDArray[np.int64]:
    """[K] the number, from 1, of each category in pycocotools' hands."""
    return _ranks(truth.category_ids)


def _ranks(ids: Sequence[ImageId]) -> NDArray[np.int64]:
    numbers = all(isinstance(each, int) for each in ids)
    order = sorted(range(len(ids)), key=ids.__getitem__ if numbers else lambda i: str(ids[i]))
    ranks = np.zeros(len(ids), dtype=np.int64)
    ranks[order] = np.arange(1, len(ids) + 1)
    return ranks


@np.errstate(over="ignore")  # of boxes beyond all pictures
def _annotations(
    truth: CocoTree, images: NDArray[np.int64], categories: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """What pycocotools needs of each annotation that it can count, numbered from 1.

    A missing area is width times height.
    """
    kept = np.flatnonzero(truth.scorable)
    boxes, areas = truth.boxes_xywh[kept], truth.areas[kept]
    areas = np.where(np.isnan(areas), boxes[:, 2] * boxes[:, 3], areas)
    columns = (
        images[truth.image_index[kept]].tolist(),
        categories[truth.category_index[kept]].tolist(),
        boxes.tolist(),
        areas.tolist(),
        truth.crowd[kept].astype(int).tolist(),
    )
    keys = ("image_id", "category_id", "bbox", "area", "iscrowd")
    return [
        {"id": number, **dict(zip(keys, values, strict=True))}
        for number, values in enumerate(zip(*columns, strict=True), 1)
    ]


class _Detections:
    """Checks result rows against the truth and writes them in pycocotools' form."""

    def __init__(
        self, truth: CocoTree, images: NDArray[np.int64], categories: NDArray[np.int64]
    ) -> None:
        self._tables = {
            "image_id": dict(zip(map(str, truth.image_ids), images.tolist(), strict=True)),
            "category_id": dict(
                zip(map(str, truth.category_ids), categories.tolist(), strict=True)
            ),
        }

    def entry(self, row: Any, number: int) -> dict[str, Any]:
        """One result row; ``number`` counts from 0."""
        where = f"results row {number}"
        if not isinstance(row, Mapping):
            raise DataError(f"{where} is {_kind(row)}. Give {{image_id, category_id, bbox, score}}")
        missing = [key for key in _ROW_KEYS if key not in row]
        if missing:
            raise DataError(
                f"{where} lacks {', '.join(missing)}. Write box results in COCO's format"
            )
        box = _finite_box(row["bbox"])
        image, category = (self._rank(row, key, where) for key in self._tables)
        if box is None:
            raise DataError(f"{where} has bbox {row['bbox']!r}. Give [x, y, width, height], finite")
        if not _is_finite(row["score"]):
            raise DataError(f"{where} has score {row['score']!r}. Give a finite number")
        return {
            "id": number + 1,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": float(row["score"]),
        }

    def _rank(self, row: Mapping[str, Any], key: str, where: str) -> int:
        value = row[key].item() if isinstance(row[key], np.generic) else row[key]
        found = plain_id(value, whole=key == "category_id")
        rank = self._tables[key].get(str(found)) if found is not None else None
        if rank is None:
            raise DataError(
                f"{where} has {key} {row[key]!r}, which the annotation file does not list. "
                "Score it against the split that was predicted"
            )
        return int(rank)


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


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")
