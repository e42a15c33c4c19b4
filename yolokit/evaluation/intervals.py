"""How far AP50 would move with other pictures of the same kind: a bootstrap over pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.average_precision import precision_at_recalls
from yolokit.evaluation.matching import Matching

_DRAWS = 200  # the ends of a 95 % interval move by a hundredth or so from 200 to 1000
_MOST_WEIGHED = 20_000_000  # detections times draws, a few seconds


class Interval(NamedTuple):
    """A range that holds a number with a chance of 95 %."""

    low: float
    high: float


def ap50_interval(matching: Matching, *, seed: int = 0) -> Interval | None:
    """The middle 95 % of AP50 over pictures drawn with replacement.

    The percentile bootstrap (Efron and Tibshirani 1993, chapter 13). A drawn class without an
    object is left out of the mean.

    Args:
        matching: of truth and detections.
        seed: of the draws.

    Returns:
        None where no draw has an object, or there is but one picture.
    """
    count = len(matching.tree.image_ids)
    if count < 2:
        return None
    draws = max(50, min(_DRAWS, _MOST_WEIGHED // max(1, len(matching.detections))))
    generator = np.random.default_rng(seed)
    classes = [_of_class(matching, rank) for rank in matching.class_names]
    values = []
    for _ in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        scores = [_weighed(each, times) for each in classes]
        defined = [score for score in scores if not np.isnan(score)]
        if defined:
            values.append(float(np.mean(defined)))
    return Interval(*np.percentile(values, [2.5, 97.5]).tolist()) if values else None


class _Class(NamedTuple):
    right: NDArray[np.float64]  # best score first
    images: NDArray[np.int64]  # of the detections, from 0
    truth_images: NDArray[np.int64]


def _of_class(matching: Matching, rank: int) -> _Class:
    found, truth = matching.detections, matching.truth
    rows = np.flatnonzero((found.categories == rank) & ~matching.ignored)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    wanted = matching.wanted & (truth.categories == rank)
    return _Class(
        matching.right[rows].astype(np.float64), found.images[rows] - 1, truth.images[wanted] - 1
    )


def _weighed(of: _Class, times: NDArray[np.int64]) -> float:
    """AP50 of a class where each picture is there so many times."""
    objects = float(times[of.truth_images].sum())
    return precision_at_recalls(of.right, times[of.images].astype(np.float64), objects)
