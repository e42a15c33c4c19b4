"""COCO truth and results files: read, checked, and given to pycocotools as its own objects."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolokit.errors import DataError

if TYPE_CHECKING:
    from pycocotools.coco import COCO


def load_truth(path: Path) -> dict[str, Any]:
    """The COCO annotation file as plain values.

    Raises:
        DataError: unreadable, not JSON, or not COCO's layout.
    """
    truth = _load_json(path, "annotation file")
    try:
        _check_truth(truth)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return dict(truth)


def load_rows(path: Path) -> list[dict[str, Any]]:
    """A COCO results file: a JSON list of ``{image_id, category_id, bbox, score}``.

    Raises:
        DataError: unreadable, not JSON, or not a list.
    """
    rows = _load_json(path, "results file")
    if not isinstance(rows, list):
        raise DataError(
            f"results file {path} holds {_kind(rows)}. "
            "Give a list of rows {image_id, category_id, bbox, score}"
        )
    return rows


def to_coco(truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[COCO, COCO]:
    """Truth and detections as pycocotools' own objects: checked, copied, numbered from 1.

    Detection n has the number of its row plus one. Arguments and errors are those of
    ``evaluate_rows``.
    """
    from pycocotools.coco import COCO

    _check_truth(truth)
    image_ids = {image["id"] for image in truth["images"]}
    category_ids = {category["id"] for category in truth["categories"]}
    annotations = list(_scorable(truth["annotations"], image_ids, category_ids))
    detections = [
        _detection(row, number, image_ids, category_ids) for number, row in enumerate(rows)
    ]
    pair = COCO(), COCO()
    for coco, entries in zip(pair, (annotations, detections), strict=True):
        coco.dataset = {
            "images": truth["images"],
            "categories": truth["categories"],
            "annotations": entries,
        }
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            coco.createIndex()
    return pair


def _scorable(
    annotations: Iterable[Any], image_ids: set[int], category_ids: set[int]
) -> Iterable[dict[str, Any]]:
    """Fresh annotations with what pycocotools needs, numbered from 1."""
    number = 0
    for annotation in annotations:
        if not isinstance(annotation, Mapping):
            continue
        box = _finite_box(annotation.get("bbox"))
        image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
        if box is None or not (_is_in(image_id, image_ids) and _is_in(category_id, category_ids)):
            continue
        number += 1
        area = annotation.get("area")
        yield {
            "id": number,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": box,
            "area": area if _is_finite(area) else box[2] * box[3],
            "iscrowd": int(annotation.get("iscrowd") in (1, True, "1")),
        }


def _detection(
    row: Any, number: int, image_ids: set[int], category_ids: set[int]
) -> dict[str, Any]:
    """One result row, checked, in pycocotools' form; ``number`` counts from 0."""
    where = f"results row {number}"
    if not isinstance(row, Mapping):
        raise DataError(f"{where} is {_kind(row)}. Give {{image_id, category_id, bbox, score}}")
    missing = [key for key in ("image_id", "category_id", "bbox", "score") if key not in row]
    if missing:
        raise DataError(f"{where} lacks {', '.join(missing)}. Write box results in COCO's format")
    for key, known in (("image_id", image_ids), ("category_id", category_ids)):
        if not _is_in(row[key], known):
            raise DataError(
                f"{where} has {key} {row[key]!r}, which the annotation file does not list. "
                "Score it against the split that was predicted"
            )
    box = _finite_box(row["bbox"])
    if box is None:
        raise DataError(f"{where} has bbox {row['bbox']!r}. Give [x, y, width, height], finite")
    if not _is_finite(row["score"]):
        raise DataError(f"{where} has score {row['score']!r}. Give a finite number")
    return {
        "id": number + 1,
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
        "score": float(row["score"]),
    }


def _check_truth(truth: Any) -> None:
    if not isinstance(truth, Mapping):
        raise DataError(f"COCO truth is {_kind(truth)}. Give an object of COCO's layout")
    for key in ("images", "annotations", "categories"):
        if not isinstance(truth.get(key), list):
            raise DataError(f"no list {key!r} in the COCO truth. Give a COCO annotation file")
    for key in ("images", "categories"):
        seen: set[int] = set()
        for number, entry in enumerate(truth[key]):
            entry_id = entry.get("id") if isinstance(entry, Mapping) else None
            if not isinstance(entry_id, int):
                raise DataError(f"{key}[{number}] has id {entry_id!r}. Give it a whole number")
            if entry_id in seen:
                raise DataError(f"{key}[{number}] repeats id {entry_id}. Make the ids unique")
            seen.add(entry_id)


def _finite_box(box: Any) -> list[float] | None:
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_finite, box)):
        return None
    return [float(value) for value in box]


def _is_finite(value: Any) -> bool:
    return (
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _is_in(value: Any, known: set[int]) -> bool:
    return isinstance(value, int | float | np.number) and value in known


def _load_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {what} {path}: {error.strerror}. Check the path") from error
    except ValueError as error:  # not JSON, not UTF-8
        raise DataError(f"{what} {path} is not JSON: {error}. Is it complete?") from error


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")
