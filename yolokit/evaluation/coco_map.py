"""COCO mAP as pycocotools counts it: what goes in is checked, nothing is mutated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yolokit.data.classes import class_table
from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.evaluators import count
from yolokit.evaluation.metrics_text import metrics_html, metrics_text
from yolokit.evaluation.tables import BoxTable, category_ranks, scoring_tables

COUNTED = 100  # detections of a class in a picture that COCO's numbers look at, the best ones
METRIC_NAMES = (  # in the order of pycocotools' COCOeval.stats
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)

_NOT_WRITTEN = ("precision50", "class_recall", "class_annotations", "unscorable", "without_area")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CocoMetrics:
    """pycocotools' twelve numbers in 0..1 and AP per class; NaN where there is no truth.

    Printed, it is what ``yolokit eval`` prints; in a notebook, the table of classes.

    Args:
        per_class: class name -> ``{"AP": …, "AP50": …}``, in order of category id.
        precision50: class name -> precision at recall 0, 0.01 … 1 for IoU 0.50, whose mean is
            AP50; empty where the class has no truth.
        class_recall: class name -> its AR100.
        class_annotations: class name -> annotations scored, crowds included.
        images: pictures in the truth.
        annotations: annotations scored, crowds included.
        unscorable: annotations left out because their box or ids cannot be read.
        uncounted: detections beyond the best ``COUNTED`` of a class in a picture.
        evaluator: name and version of the library that counted.
        without_area: annotations scored that have no area, and so are always missed.
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
    uncounted: int
    evaluator: str
    without_area: int = 0

    def __repr__(self) -> str:
        return f"<CocoMetrics AP {self.AP:.3f} AP50 {self.AP50:.3f} on {self.images} images>"

    def __str__(self) -> str:
        return metrics_text(self)

    def _repr_html_(self) -> str:
        return metrics_html(self)

    @property
    def numbers(self) -> dict[str, float]:
        """The twelve numbers by name, in pycocotools' order."""
        return {name: getattr(self, name) for name in METRIC_NAMES}

    def to_dict(self) -> dict[str, Any]:
        """What ``eval --json`` writes: undefined numbers are None, which JSON calls null."""
        fields = asdict(self)
        for name in (
            "precision50",
            "class_recall",
            "class_annotations",
            "unscorable",
            "uncounted",
            "without_area",
        ):
            del fields[name]
        per_class = {name: _nan_to_none(scores) for name, scores in self.per_class.items()}
        return {**fields, **_nan_to_none(self.numbers), "per_class": per_class}


def evaluate_rows(
    truth: CocoTree, rows: Sequence[Mapping[str, Any]], *, quick: bool = False
) -> CocoMetrics:
    """Score detections against COCO truth, exactly as pycocotools does.

    Annotations are renumbered in a copy (pycocotools takes id 0 for "no match"); a missing
    ``area`` is width × height, a missing ``iscrowd`` 0; crowds are ignored, never missed.
    An annotation without a usable box is left out and counted.

    Args:
        truth: a COCO annotation file, see ``load_truth``.
        rows: COCO result rows, ``bbox`` [x, y, width, height] in original pixels; may be empty.
        quick: let hotcoco count few boxes too: one validation of many. The numbers are the same.

    Raises:
        DataError: ids of the truth that are not unique; a row that is malformed, not finite, or
            names an image or category that the truth lacks.
    """
    tables = scoring_tables(truth, rows)
    counted = count(tables, quick=quick)
    names = _unique_names(truth)
    places = [category_ranks(truth)[truth.category_ids.index(each)] - 1 for each in names]
    scored = truth.scorable
    counts = np.bincount(truth.category_index[scored], minlength=len(truth.category_ids))
    annotations = dict(zip(truth.category_ids, counts.tolist(), strict=True))
    curves = [counted.precision[:, :, k, 0, -1] for k in places]  # all areas, 100 boxes
    return CocoMetrics(
        **dict(zip(METRIC_NAMES, map(_undefined_to_nan, counted.numbers), strict=True)),
        per_class={
            name: {"AP": _mean_defined(curve), "AP50": _mean_defined(curve[0])}
            for name, curve in zip(names.values(), curves, strict=True)
        },
        precision50={
            name: tuple(curve[0].tolist()) if curve[0, 0] > -1 else ()
            for name, curve in zip(names.values(), curves, strict=True)
        },
        class_recall={
            name: _mean_defined(counted.recall[:, k, 0, -1])
            for k, name in zip(places, names.values(), strict=True)
        },
        class_annotations={name: annotations[category_id] for category_id, name in names.items()},
        images=len(truth.image_ids),
        annotations=int(scored.sum()),
        unscorable=int((~scored).sum()),
        uncounted=_beyond_limit(tables.detections),
        without_area=int((truth.boxes_xywh[scored & ~truth.crowd, 2:] <= 0).any(axis=1).sum()),
        evaluator=counted.evaluator,
    )


def _beyond_limit(detections: BoxTable) -> int:
    """Detections beyond the best ``COUNTED`` of a class in a picture."""
    categories = int(detections.categories.max(initial=0)) + 1
    pairs = detections.images * categories + detections.categories
    _, sizes = np.unique(pairs, return_counts=True)
    return int(np.maximum(sizes - COUNTED, 0).sum())


def _mean_defined(values: Any) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def _unique_names(truth: CocoTree) -> dict[int, str]:
    """Category id -> name, by id; a name that two categories share gets its id appended."""
    table = class_table(truth)
    uses = Counter(table.class_names)
    return {
        category_id: name if uses[name] == 1 else f"{name} ({category_id})"
        for category_id, name in zip(table.category_ids, table.class_names, strict=True)
    }


def _undefined_to_nan(value: float) -> float:
    return math.nan if value == -1 else value  # pycocotools' mark for "no truth here"


def _nan_to_none(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}
