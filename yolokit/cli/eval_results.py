"""What ``yolokit eval`` has scored: told at a threshold, and as a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.matching import Matching, match_rows
from yolokit.evaluation.thresholds import Operation, operation_at, threshold_curves
from yolokit.inference.predictor import Predictor


@dataclass(frozen=True)
class Operating:
    """Precision, recall and F1 at a threshold; None where F1 is best at none."""

    threshold: float | None
    by_name: Mapping[str, Operation]

    def to_dict(self) -> dict[str, Any] | None:
        """What ``--json`` writes."""
        if self.threshold is None:
            return None
        every = self.by_name["all"]
        shares = {"precision": every.precision, "recall": every.recall, "F1": every.f1}
        defined = {name: None if share != share else share for name, share in shares.items()}
        counts = {"found": every.found, "false_alarms": every.false_alarms}
        return {"conf": self.threshold, **defined, **counts, "objects": every.objects}

    def text(self, chosen: bool) -> str:
        """A line where the threshold was chosen here; else a table of all classes."""
        if self.threshold is None:
            return "threshold: nothing was found at any"
        every = self.by_name["all"]
        if chosen:
            return (
                f"best F1 {_number(every.f1)} at --conf {self.threshold:g}: precision "
                f"{_number(every.precision)}, recall {_number(every.recall)}"
            )
        from yolokit.plain_text import aligned

        rows = [[f"above {self.threshold:g}", "objects", "precision", "recall", "F1"]]
        rows += [
            [name, str(each.objects), *map(_number, (each.precision, each.recall, each.f1))]
            for name, each in self.by_name.items()
        ]
        return "\n" + aligned(rows)


@dataclass(frozen=True)
class Results:
    """A scored model or results file.

    Args:
        source: the model, or the results file.
        split: its name.
        metrics: COCO's numbers.
        rows: COCO rows.
        truth: the split's file.
        dataset: the split; None of a results file.
        predictor: likewise.
        seconds: that detecting took; likewise.
    """

    source: Path
    split: str
    metrics: CocoMetrics
    rows: list[dict[str, Any]]
    truth: CocoTree
    dataset: CocoDataset | None = None
    predictor: Predictor | None = None
    seconds: float | None = None

    @cached_property
    def _matching(self) -> Matching:
        return match_rows(self.truth, self.rows)

    def operation(self, threshold: float | None) -> Operating:
        """What the boxes above a threshold are worth; by default that of the best F1."""
        if threshold is None:
            threshold = threshold_curves(self._matching)[0].best
        counts = {} if threshold is None else operation_at(self._matching, threshold)
        return Operating(threshold, counts)

    def write_report(self, path: Path) -> Path:
        """Write the page; where it lies."""
        from yolokit.report.evaluation import report_file, write_evaluation
        from yolokit.report.model_section import model_section
        from yolokit.report.scored import analyse

        file = report_file(path)
        scored = analyse(
            self.split,
            self.metrics,
            self.rows,
            self.truth,
            dataset=self.dataset,
            seconds=self.seconds,
            matching=self._matching,
        )
        model = None
        if self.predictor is not None:
            model = model_section(
                self.source,
                self.predictor.card,
                where=self.predictor.backend.description,
                pictures=self.metrics.images,
                seconds=self.seconds,
            )
        write_evaluation(file, scored, name="/".join(self.source.resolve().parts[-2:]), model=model)
        return file


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"
