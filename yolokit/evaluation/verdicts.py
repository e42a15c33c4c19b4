"""Picture by picture: which objects were found, which were missed, what was a false alarm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.matching import Matching, match_rows
from yolokit.evaluation.tables import BoxTable, category_ranks, image_ranks
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
    kept = [row for row in rows if row["score"] > score_threshold]
    matching = match_rows(truth, kept, iou_threshold=iou_threshold)
    return judge_matching(matching, score_threshold=score_threshold)


def judge_matching(matching: Matching, *, score_threshold: float) -> list[JudgedPicture]:
    """The verdicts that a matching has come to, of detections above a threshold.

    A detection beyond a class's first hundred in its picture has no verdict and is left out.
    """
    truth = matching.tree
    scores = np.append(matching.detections.scores, -np.inf)  # the last: of what nobody found
    found = scores[matching.finder] > score_threshold
    truths: NDArray[Any] = np.where(found, "found", "missed").astype(object)
    truths[matching.truth.crowd] = "ignored"
    detections: NDArray[Any] = np.where(matching.right, "found", "false").astype(object)
    detections[matching.ignored] = "ignored"
    counted = (matching.partner >= 0) | ~matching.ignored
    order = np.argsort(-matching.detections.scores, kind="stable")
    shown = order[(counted & (scores[:-1] > score_threshold))[order]]
    ranked = zip(image_ranks(truth).tolist(), truth.image_ids, strict=True)
    pictures = {rank: JudgedPicture(image_id) for rank, image_id in ranked}
    category_ids = dict(zip(category_ranks(truth).tolist(), truth.category_ids, strict=True))
    for rank, box in _judged(matching.truth, range(len(truths)), truths, category_ids):
        pictures[rank].truths.append(box._replace(score=None))
    for rank, box in _judged(matching.detections, shown.tolist(), detections, category_ids):
        pictures[rank].detections.append(box)
    return list(pictures.values())


def _judged(
    side: BoxTable,
    order: Iterable[int],
    verdicts: NDArray[Any],
    category_ids: Mapping[int, int],
) -> Iterator[tuple[int, JudgedBox]]:
    """Number of the image, and the box, of each row."""
    images, categories = side.images.tolist(), side.categories.tolist()
    boxes, scores, words = side.boxes_xywh.tolist(), side.scores.tolist(), verdicts.tolist()
    for row in order:
        x, y, width, height = boxes[row]
        box = (x, y, x + width, y + height)
        yield images[row], JudgedBox(box, category_ids[categories[row]], scores[row], words[row])


def _count(boxes: Sequence[JudgedBox], verdict: Verdict) -> int:
    return sum(box.verdict == verdict for box in boxes)
