"""Precision, recall and F1 at a score threshold, and the threshold at which F1 is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.matching import Matching

THRESHOLDS = np.arange(0, 1000) / 1000  # three decimals, as a person types them


@dataclass(frozen=True, slots=True)
class Operation:
    """What detections above one score threshold are worth, all pictures together.

    Args:
        found: objects detected.
        false_alarms: detections without an object; a second one of the same object counts.
        objects: to be found, crowds left out.
    """

    found: int
    false_alarms: int
    objects: int

    @property
    def precision(self) -> float:
        """Share of the detections that are right; NaN without any."""
        total = self.found + self.false_alarms
        return self.found / total if total else float("nan")

    @property
    def recall(self) -> float:
        """Share of the objects that are found; NaN without any."""
        return self.found / self.objects if self.objects else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing is found, NaN without objects."""
        total = self.found + self.false_alarms + self.objects
        return 2 * self.found / total if self.objects else float("nan")


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Counts over ``THRESHOLDS`` for some classes together.

    Args:
        name: of the class, or "all".
        found: [1000] objects detected by what scores more.
        false_alarms: [1000] likewise.
        objects: to be found.
    """

    name: str
    found: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    objects: int

    def at(self, threshold: float) -> Operation:
        """The counts at one of ``THRESHOLDS``."""
        place = int(np.searchsorted(THRESHOLDS, threshold - 1e-9))
        return Operation(int(self.found[place]), int(self.false_alarms[place]), self.objects)

    @property
    def f1(self) -> NDArray[np.float64]:
        """[1000] F1; NaN without objects."""
        if not self.objects:
            return np.full(len(THRESHOLDS), np.nan)
        return 2 * self.found / (self.found + self.false_alarms + self.objects)

    @property
    def best(self) -> float | None:
        """The threshold of the highest F1, in the middle where several in a row have it; None
        where nothing is found at any."""
        if not self.objects or not self.found[0]:
            return None
        f1 = self.f1
        best = f1 == f1.max()
        first = int(best.argmax())
        after = np.flatnonzero(~best[first:])
        last = first + (int(after[0]) if len(after) else len(best) - first) - 1
        return float(THRESHOLDS[(first + last) // 2])


def threshold_curves(matching: Matching) -> list[ThresholdCurve]:
    """The curve of all classes together, then of each class, in order of category id."""
    every = np.ones(len(matching.detections), bool), np.ones(len(matching.truth), bool)
    curves = [_curve("all", matching, *every)]
    for rank, name in matching.class_names.items():
        sides = matching.detections.categories == rank, matching.truth.categories == rank
        curves.append(_curve(name, matching, *sides))
    return curves


def operation_at(matching: Matching, threshold: float) -> dict[str, Operation]:
    """What detections scoring more than any threshold are worth: all classes, then each.

    Returns:
        By name; "all" first. Classes of one name are counted together.
    """
    kept = matching.detections.scores > threshold
    right, wrong = matching.right & kept, matching.wrong & kept
    found_of, wanted_of = matching.detections.categories, matching.truth.categories
    counts: dict[str, Operation] = {
        "all": Operation(int(right.sum()), int(wrong.sum()), int(matching.wanted.sum()))
    }
    for rank, name in matching.class_names.items():
        before = counts.get(name, Operation(0, 0, 0)) if name != "all" else Operation(0, 0, 0)
        key = name if name != "all" else "all (class)"
        counts[key] = Operation(
            before.found + int((right & (found_of == rank)).sum()),
            before.false_alarms + int((wrong & (found_of == rank)).sum()),
            before.objects + int((matching.wanted & (wanted_of == rank)).sum()),
        )
    return counts


def _curve(
    name: str, matching: Matching, found_of: NDArray[np.bool_], wanted_of: NDArray[np.bool_]
) -> ThresholdCurve:
    scores = matching.detections.scores
    found, alarms = (_above(scores[side & found_of]) for side in (matching.right, matching.wrong))
    return ThresholdCurve(name, found, alarms, int((matching.wanted & wanted_of).sum()))


def _above(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """[1000] how many score more than each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), THRESHOLDS, side="right")
