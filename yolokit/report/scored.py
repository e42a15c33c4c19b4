"""A scored split, analysed once: what the sections of a report and its advice are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.error_analysis import Errors, Losses, find_errors, measure_losses
from yolokit.evaluation.intervals import Interval, ap50_interval
from yolokit.evaluation.matching import Matching, match_rows
from yolokit.evaluation.thresholds import ThresholdCurve, threshold_curves

SCORE_SHOWN = 0.25  # what ``yolokit detect`` shows unless told otherwise


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A detector's results on a split.

    Args:
        split: its name.
        metrics: COCO's numbers.
        dataset: the split's pictures; None where they are not to be shown.
        matching: of truth and detections.
        curves: over the score threshold, of all classes and of each.
        errors: of each kind.
        losses: what they cost.
        interval: of AP50, or None.
        seconds: that detecting on all pictures took, decoding and scoring included; or None.
    """

    split: str
    metrics: CocoMetrics
    dataset: CocoDataset | None
    matching: Matching
    curves: list[ThresholdCurve]
    errors: Errors
    losses: Losses
    interval: Interval | None
    seconds: float | None

    @property
    def threshold(self) -> float:
        """The threshold with the best F1; where nothing is found, that of ``yolokit detect``."""
        best = self.curves[0].best
        return SCORE_SHOWN if best is None else best


def analyse(
    split: str,
    metrics: CocoMetrics,
    rows: Sequence[dict[str, Any]],
    truth: CocoTree,
    *,
    dataset: CocoDataset | None = None,
    seconds: float | None = None,
    matching: Matching | None = None,
) -> Scored:
    """Match truth and detections of a split and count all that a report says of them.

    Args:
        split: its name.
        metrics: of the rows.
        rows: COCO rows.
        truth: the split's file.
        matching: of the rows, where it is known already.
        dataset, seconds: see ``Scored``.
    """
    matching = matching or match_rows(truth, rows)
    errors = find_errors(matching)
    return Scored(
        split=split,
        metrics=metrics,
        dataset=dataset,
        matching=matching,
        curves=threshold_curves(matching),
        errors=errors,
        losses=measure_losses(matching, errors),
        interval=ap50_interval(matching),
        seconds=seconds,
    )
