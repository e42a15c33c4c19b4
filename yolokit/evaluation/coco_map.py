"""COCO mAP by pycocotools, with its traps closed: what goes in is checked, nothing is mutated."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolokit.errors import DataError

if TYPE_CHECKING:
    from pycocotools.coco import COCO

METRIC_NAMES = (  # in the order of pycocotools' COCOeval.stats
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoMetrics:
    """pycocotools' twelve numbers in 0..1 and AP per class; NaN where there is no truth.

    Args:
        per_class: class name -> ``{"AP": …, "AP50": …}``, in order of category id.
        precision50: class name -> precision at recall 0, 0.01 … 1 for IoU 0.50, whose mean is
            AP50; empty where the class has no truth.
        class_recall: class name -> its AR100.
        class_annotations: class name -> annotations scored, crowds included.
        images: pictures in the truth.
        annotations: annotations scored, crowds included.
        unscorable: annotations left out because their box or ids cannot be read.
        evaluator: name and version of the library that counted.
    """

    AP: float
    AP50: float
    AP75: float
    APs: float
    APm: float
    APl: float
    AR1: float
    AR10: float
    AR100: float
    ARs: float
    ARm: float
    ARl: float
    per_class: dict[str, dict[str, float]]
    precision50: dict[str, tuple[float, ...]]
    class_recall: dict[str, float]
    class_annotations: dict[str, int]
    images: int
    annotations: int
    unscorable: int
    evaluator: str

    @property
    def numbers(self) -> dict[str, float]:
        """The twelve numbers by name, in pycocotools' order."""
        return {name: getattr(self, name) for name in METRIC_NAMES}

    def to_dict(self) -> dict[str, Any]:
        """What ``eval --json`` writes: undefined numbers are None, which JSON calls null."""
        fields = asdict(self)
        for name in ("precision50", "class_recall", "class_annotations", "unscorable"):
            del fields[name]
        per_class = {name: _nan_to_none(scores) for name, scores in self.per_class.items()}
        return {**fields, **_nan_to_none(self.numbers), "per_class": per_class}


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


def evaluate_rows(truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> CocoMetrics:
    """Score detections against COCO truth, exactly as pycocotools does.

    Annotations are renumbered in a copy (pycocotools takes id 0 for "no match"); a missing
    ``area`` is width × height, a missing ``iscrowd`` 0; crowds are ignored, never missed.
    An annotation without a usable box is left out and counted.

    Args:
        truth: a COCO annotation file's content, see ``load_truth``.
        rows: COCO result rows, ``bbox`` [x, y, width, height] in original pixels; may be empty.

    Raises:
        DataError: truth that is not COCO's layout; a row that is malformed, not finite, or
            names an image or category that the truth lacks.
    """
    pair = to_coco(truth, rows)
    stats, precision, recall = _run_pycocotools(*pair)
    names = _unique_names(truth["categories"])
    annotations = pair[0].dataset["annotations"]
    counts = Counter(annotation["category_id"] for annotation in annotations)
    curves = [precision[:, :, k, 0, -1] for k in range(len(names))]  # all areas, 100 boxes
    return CocoMetrics(
        **dict(zip(METRIC_NAMES, map(_undefined_to_nan, stats), strict=True)),
        per_class={
            name: {"AP": _mean_defined(curve), "AP50": _mean_defined(curve[0])}
            for name, curve in zip(names.values(), curves, strict=True)
        },
        precision50={
            name: tuple(curve[0].tolist()) if curve[0, 0] > -1 else ()
            for name, curve in zip(names.values(), curves, strict=True)
        },
        class_recall={
            name: _mean_defined(recall[:, k, 0, -1]) for k, name in enumerate(names.values())
        },
        class_annotations={name: counts[category_id] for category_id, name in names.items()},
        images=len(truth["images"]),
        annotations=len(annotations),
        unscorable=len(truth["annotations"]) - len(annotations),
        evaluator=f"pycocotools {importlib.metadata.version('pycocotools')}",
    )


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


def _run_pycocotools(truth: COCO, detections: COCO) -> tuple[list[float], Any, Any]:
    """The twelve numbers, precision [T thresholds, R recalls, K classes, areas, limits], recall."""
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(truth, detections, "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers = [float(value) for value in evaluation.stats]
    return numbers, evaluation.eval["precision"], evaluation.eval["recall"]


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


def _mean_defined(values: Any) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def _unique_names(categories: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Category id -> name, by id; a name that two categories share gets its id appended."""
    names = {entry["id"]: str(entry.get("name", entry["id"])) for entry in categories}
    uses = Counter(names.values())
    return {
        category_id: name if uses[name] == 1 else f"{name} ({category_id})"
        for category_id, name in sorted(names.items())
    }


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


def _undefined_to_nan(value: float) -> float:
    return math.nan if value == -1 else value  # pycocotools' mark for "no truth here"


def _nan_to_none(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


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
