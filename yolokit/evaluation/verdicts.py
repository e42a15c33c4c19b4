"""Picture by picture: which objects were found, which were missed, what was a false alarm."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.coco_io import category_ranks, image_ranks, to_coco
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
    from pycocotools.cocoeval import COCOeval

    pair = to_coco(truth, [row for row in rows if row["score"] > score_threshold])
    evaluation = COCOeval(*pair, "bbox")
    evaluation.params.iouThrs = [iou_threshold]
    evaluation.params.areaRng = evaluation.params.areaRng[:1]  # all sizes
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        evaluation.evaluate()
    verdicts = _verdicts(evaluation.evalImgs)
    ranked = zip(image_ranks(truth).tolist(), truth.image_ids, strict=True)
    pictures = {rank: JudgedPicture(image_id) for rank, image_id in ranked}
    category_ids = dict(zip(category_ranks(truth).tolist(), truth.category_ids, strict=True))
    for side, coco in zip(("truths", "detections"), pair, strict=True):
        for entry in sorted(coco.dataset["annotations"], key=lambda each: -each.get("score", 0.0)):
            verdict = verdicts[side].get(entry["id"])
            if verdict is not None:  # a detection beyond a class's first hundred has none
                getattr(pictures[entry["image_id"]], side).append(
                    _judged(entry, category_ids[entry["category_id"]], verdict)
                )
    return list(pictures.values())


def _verdicts(matches: Sequence[Mapping[str, Any] | None]) -> dict[str, dict[int, Verdict]]:
    """Verdicts by annotation id, from pycocotools' record of each picture and class."""
    verdicts: dict[str, dict[int, Verdict]] = defaultdict(dict)
    for match in filter(None, matches):
        sides: tuple[tuple[str, Verdict, Any, Any, Any], ...] = (
            ("truths", "missed", match["gtIds"], match["gtMatches"][0], match["gtIgnore"]),
            ("detections", "false", match["dtIds"], match["dtMatches"][0], match["dtIgnore"][0]),
        )
        for side, unmatched, ids, partners, ignored in sides:
            for each, partner, ignore in zip(ids, partners, ignored, strict=True):
                verdicts[side][each] = "ignored" if ignore else "found" if partner else unmatched
    return verdicts


def _judged(entry: Mapping[str, Any], category_id: int, verdict: Verdict) -> JudgedBox:
    x, y, width, height = entry["bbox"]
    box = (x, y, x + width, y + height)
    return JudgedBox(box, category_id, entry.get("score"), verdict)


def _count(boxes: Sequence[JudgedBox], verdict: Verdict) -> int:
    return sum(box.verdict == verdict for box in boxes)
