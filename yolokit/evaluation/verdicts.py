"""Picture by picture: which objects were found, which were missed, what was a false alarm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.evaluators import match
from yolokit.evaluation.tables import (
    BoxTable,
    ScoringTables,
    category_ranks,
    image_ranks,
    scoring_tables,
)
from yolokit.types import ImageId

Verdict = Literal["found", "missed", "false", "ignored"]


class JudgedBox(NamedTuple):
    """A box xyxy in original pixels with what became of it; ``score`` is None for truth.

    Truth is found, missed, or ignored (a crowd); a detection is found (it is right), false, or
    ignored (it lies on a crowd).
    """

    box: tuple[float, float, float, float]
    category_id: int
    score: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JudgedPicture:
    """One picture's truth, and its detections best first."""

    image_id: ImageId
    truths: list[JudgedBox] = field(default_factory=list)
    detections: list[JudgedBox] = field(default_factory=list)

    @property
    def found(self) -> int:
        """Objects detected."""
        return _count(self.truths, "found")

    @property
    def missed(self) -> int:
        """Objects without a detection."""
        return _count(self.truths, "missed")

    @property
    def false_alarms(self) -> int:
        """Detections without an object; a second one of the same object counts."""
        return _count(self.detections, "false")


def judge(
    truth: CocoTree,
    rows: Sequence[Mapping[str, Any]],
    *,
    score_threshold: float,
    iou_threshold: float = 0.5,
) -> list[JudgedPicture]:
    """Match detections with truth as pycocotools does at one IoU: class by class, best first.

    Args:
        truth: a COCO annotation file.
        rows: COCO result rows; those that score no more than ``score_threshold`` are left out.
        score_threshold: 0..1.
        iou_threshold: overlap from which a detection may be right, 0..1.

    Returns:
        Every picture of ``truth``, in its order; also one without truth and detections.

    Raises:
        DataError: as ``evaluate_rows``.
    """
    tables = scoring_tables(truth, [row for row in rows if row["score"] > score_threshold])
    truths, detections = _verdicts(tables, iou_threshold)
    order = np.argsort(-tables.detections.scores, kind="stable").tolist()
    ranked = zip(image_ranks(truth).tolist(), truth.image_ids, strict=True)
    pictures = {rank: JudgedPicture(image_id) for rank, image_id in ranked}
    category_ids = dict(zip(category_ranks(truth).tolist(), truth.category_ids, strict=True))
    for rank, box in _judged(tables.truth, range(len(tables.truth)), truths, category_ids):
        pictures[rank].truths.append(box._replace(score=None))
    for rank, box in _judged(tables.detections, order, detections, category_ids):
        pictures[rank].detections.append(box)
    return list(pictures.values())


_VerdictOfRow = dict[int, Verdict]  # row of a table -> what became of it


def _verdicts(tables: ScoringTables, iou_threshold: float) -> tuple[_VerdictOfRow, _VerdictOfRow]:
    """Verdicts on truths and detections, from the record of each picture and class."""
    truths: _VerdictOfRow = {}
    detections: _VerdictOfRow = {}
    for found in match(tables, iou_threshold=iou_threshold):
        sides: tuple[tuple[_VerdictOfRow, Verdict, Any, Any, Any], ...] = (
            (truths, "missed", found["gtIds"], found["gtMatches"][0], found["gtIgnore"]),
            (detections, "false", found["dtIds"], found["dtMatches"][0], found["dtIgnore"][0]),
        )
        for verdicts, unmatched, ids, partners, ignored in sides:
            for each, partner, ignore in zip(ids, partners, ignored, strict=True):
                verdicts[each - 1] = "ignored" if ignore else "found" if partner else unmatched
    return truths, detections


def _judged(
    side: BoxTable,
    order: Iterable[int],
    verdicts: _VerdictOfRow,
    category_ids: Mapping[int, int],
) -> Iterator[tuple[int, JudgedBox]]:
    """Number of the image, and the box, of each row that has a verdict: a detection beyond a
    class's first hundred in its picture has none."""
    images, categories = side.images.tolist(), side.categories.tolist()
    boxes, scores = side.boxes_xywh.tolist(), side.scores.tolist()
    for row in order:
        if row in verdicts:
            x, y, width, height = boxes[row]
            box = (x, y, x + width, y + height)
            yield (
                images[row],
                JudgedBox(box, category_ids[categories[row]], scores[row], verdicts[row]),
            )


def _count(boxes: Sequence[JudgedBox], verdict: Verdict) -> int:
    return sum(box.verdict == verdict for box in boxes)
