"""How far a score can be read as the chance to be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolokit.evaluation.matching import Matching

LOWEST_SCORE = 0.05  # below lie most detections, which nobody is shown and all are wrong
_BINS = 10


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Detections of like score.

    Args:
        count: how many.
        score: their mean score.
        right: share of them that found an object.
    """

    count: int
    score: float
    right: float


def reliability(matching: Matching) -> list[ScoreBin]:
    """Detections in ten bins of score 0 to 1, those that have any, lowest first.

    Left out are those that score ``LOWEST_SCORE`` or less and those on crowds.
    """
    used = ~matching.ignored & (matching.detections.scores > LOWEST_SCORE)
    scores, right = matching.detections.scores[used], matching.right[used]
    place = np.clip((scores * _BINS).astype(int), 0, _BINS - 1)
    bins = []
    for number in range(_BINS):
        inside = place == number
        if inside.any():
            share = float(right[inside].mean())
            bins.append(ScoreBin(int(inside.sum()), float(scores[inside].mean()), share))
    return bins


def calibration_error(bins: list[ScoreBin]) -> float:
    """Expected calibration error 0..1 (Guo et al. 2017, section 2): the mean distance of score and
    share of right ones, by the number of detections; NaN without any."""
    total = sum(each.count for each in bins)
    if not total:
        return float("nan")
    return sum(each.count * abs(each.score - each.right) for each in bins) / total
