"""The libraries that count: pycocotools, the referee, and hotcoco, which is equal and fast.

hotcoco (MIT, Rust) copies pycocotools' arithmetic step by step: precision, recall and matches are
the same to the last bit (`tests/evaluation/test_evaluators.py` looks for a difference among random
cases). It counts where pycocotools would take long, and pycocotools where hotcoco is not installed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.tables import BoxTable, ScoringTables

REFEREE_BOXES = 20_000  # truths and detections that pycocotools counts in about three seconds
# Beyond these the arithmetic of a box leaves the numbers, and what NaN is equal to differs.
_LARGEST, _SMALLEST = 1e100, 1e-100  # pixels


class Counts(NamedTuple):
    """What COCO's evaluation gives; -1 where there is no truth.

    Args:
        numbers: the twelve, in the order of pycocotools' ``COCOeval.stats``.
        precision: [T thresholds, R recalls, K classes, areas, limits].
        recall: [T, K, areas, limits].
        evaluator: name and version of the library that counted.
    """

    numbers: list[float]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    evaluator: str


def count(tables: ScoringTables, *, quick: bool) -> Counts:
    """COCO's numbers.

    Args:
        tables: truth and detections.
        quick: by hotcoco at any size, else only above ``REFEREE_BOXES``. Without hotcoco, and
            for boxes of absurd size, pycocotools counts.
    """
    evaluation, evaluator = _choose(tables, quick=quick)
    with contextlib.redirect_stdout(io.StringIO()):  # they print their progress
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found = evaluation.eval
    numbers = [float(value) for value in evaluation.stats]
    return Counts(numbers, found["precision"], found["recall"], evaluator)


def match(tables: ScoringTables, *, iou_threshold: float) -> list[Mapping[str, Any]]:
    """Matches of truth and detections of every size at one IoU, picture by picture and class.

    Returns:
        Of each picture and class with boxes what pycocotools' ``evalImgs`` holds, in no order. A
        box's id is its row in its table plus one; of detections only a class's best 100 in a
        picture are there.
    """
    evaluation, _ = _choose(tables, quick=True)
    parameters = evaluation.params
    parameters.iouThrs = [iou_threshold]
    parameters.areaRng = parameters.areaRng[:1]  # all sizes
    parameters.areaRngLbl = parameters.areaRngLbl[:1]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return [each for each in evaluation.evalImgs if each is not None]


def _choose(tables: ScoringTables, *, quick: bool) -> tuple[Any, str]:
    """A ``COCOeval`` of the library that should count, and the library's name and version."""
    large = len(tables.truth) + len(tables.detections) > REFEREE_BOXES
    if (quick or large) and has_hotcoco() and _is_ordinary(tables):
        return _hotcoco(tables), _version("hotcoco")
    return _pycocotools(tables), _version("pycocotools")


def has_hotcoco() -> bool:
    """Whether the fast evaluator is installed and can be loaded here."""
    try:
        import hotcoco  # noqa: F401
    except ImportError:
        return False
    return True


def _is_ordinary(tables: ScoringTables) -> bool:
    """Whether no box is so large or so thin that areas and overlaps are infinite or no number."""
    for side in (tables.truth, tables.detections):
        sizes = np.abs(side.boxes_xywh[:, 2:])
        thin = (sizes > 0) & (sizes < _SMALLEST)
        if bool(thin.any()) or bool((np.abs(side.boxes_xywh) > _LARGEST).any()):
            return False
    return True


def _hotcoco(tables: ScoringTables) -> Any:
    import hotcoco

    truth, found = tables.truth, tables.detections
    images = [
        {"id": rank, "file_name": "", "width": 1, "height": 1}
        for rank in range(1, tables.image_count + 1)
    ]
    categories = [{"id": rank, "name": str(rank)} for rank in range(1, tables.category_count + 1)]
    coco = hotcoco.COCO.from_arrays(
        images,
        categories,
        truth.images,
        truth.categories,
        truth.boxes_xywh,
        ids=np.arange(1, len(truth) + 1),
        area=truth.areas,
        iscrowd=truth.crowd,
    )
    columns = (found.images, found.boxes_xywh, found.scores, found.categories)
    return hotcoco.COCOeval(coco, coco.load_res(np.column_stack(columns)), "bbox")


def _pycocotools(tables: ScoringTables) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {
        "images": [{"id": rank} for rank in range(1, tables.image_count + 1)],
        "categories": [{"id": rank} for rank in range(1, tables.category_count + 1)],
    }
    pair = COCO(), COCO()
    for coco, side in zip(pair, (tables.truth, tables.detections), strict=True):
        coco.dataset = {**ids, "annotations": _entries(side)}
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
    return COCOeval(*pair, "bbox")


def _entries(side: BoxTable) -> list[dict[str, Any]]:
    """pycocotools' annotations, numbered from 1: it takes id 0 for "no match"."""
    columns: Sequence[list[Any]] = (
        side.images.tolist(),
        side.categories.tolist(),
        side.boxes_xywh.tolist(),
        side.areas.tolist(),
        side.crowd.astype(int).tolist(),
        side.scores.tolist(),
    )
    keys = ("image_id", "category_id", "bbox", "area", "iscrowd", "score")
    return [
        {"id": number, **dict(zip(keys, values, strict=True))}
        for number, values in enumerate(zip(*columns, strict=True), 1)
    ]


def _version(library: str) -> str:
    return f"{library} {importlib.metadata.version(library)}"
