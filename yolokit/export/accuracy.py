"""What an export costs: COCO AP of the model and of the file, on the same labelled pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from yolokit.errors import ExportError
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import evaluate_split
from yolokit.inference.predictor import Predictor
from yolokit.models.export_record import PictureSource
from yolokit.sections import SplitConfig

_POINTS = 100  # AP is 0..1, people say points
_BATCH = 16  # pictures a step
_NAMED = 5  # classes and sizes that lose most
_SIZES = ("APs", "APm", "APl")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """AP before and after.

    Args:
        before: of the model.
        after: of the file.
        source: the split that both were measured on.
    """

    before: CocoMetrics
    after: CocoMetrics
    source: PictureSource

    @property
    def lost(self) -> float:
        """AP points that the file scores less; negative where it scores more."""
        return (self.before.AP - self.after.AP) * _POINTS


def measure(
    original: Predictor,
    exported: Predictor,
    split: SplitConfig,
    source: PictureSource,
) -> Accuracy | None:
    """Score both on a split.

    Returns:
        None where nothing is labelled, so that there is no AP.

    Raises:
        DataError, WeightsError: see ``evaluate_split``.
    """
    before, after = (
        evaluate_split(each, split, batch_size=_BATCH)[0] for each in (original, exported)
    )
    return None if math.isnan(before.AP) else Accuracy(before, after, source)


def require_accuracy(accuracy: Accuracy, max_drop: float) -> None:
    """Close the gate to a file that loses more than ``max_drop`` AP points.

    Raises:
        ExportError: how much is lost, and where.
    """
    if accuracy.lost <= max_drop:
        return
    raise ExportError(
        f"the exported file loses {accuracy.lost:.2f} AP points on {accuracy.source} "
        f"({accuracy.before.AP:.4f} -> {accuracy.after.AP:.4f}), more than {max_drop:g}: "
        f"{', '.join(where_lost(accuracy))}. Nothing was written; --max-drop {_enough(accuracy)} "
        "accepts it"
    )


def where_lost(accuracy: Accuracy) -> list[str]:
    """The sizes and classes that lose most, worst first, in points: ``APs -1.20``."""
    losses = sorted(each for each in _changes(accuracy) if each[0] < 0)  # NaN is not
    return [f"{name} {change:+.2f}" for change, name in losses[:_NAMED]]


def _changes(accuracy: Accuracy) -> Iterator[tuple[float, str]]:
    before, after = accuracy.before, accuracy.after
    for name in _SIZES:
        yield (after.numbers[name] - before.numbers[name]) * _POINTS, name
    for name, scores in before.per_class.items():
        yield (after.per_class[name]["AP"] - scores["AP"]) * _POINTS, name


def _enough(accuracy: Accuracy) -> str:
    """A limit that lets this loss pass, rounded up to tenths."""
    return f"{math.ceil(accuracy.lost * 10) / 10:g}"
