"""AP at one IoU from a matching: what error analysis and intervals count again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RECALLS = np.linspace(0, 1, 101)


def average_precision(
    scores: NDArray[np.float64], right: NDArray[np.bool_], objects: float
) -> float:
    """COCO's 101-point AP of one class.

    Args:
        scores: [N] of detections, in any order; of equals the first counts first.
        right: [N] whether each found an object.
        objects: to be found.

    Returns:
        0..1; NaN without objects, 0 without detections.
    """
    order = np.argsort(-scores, kind="stable")
    return precision_at_recalls(right[order].astype(np.float64), None, objects)


def precision_at_recalls(
    right: NDArray[np.float64], weights: NDArray[np.float64] | None, objects: float
) -> float:
    """Mean over 101 recalls of the best precision at that recall or a higher one.

    Args:
        right: [N] 1 where a detection found an object, best score first.
        weights: [N] how often each is counted; None for once.
        objects: to be found, counted likewise.
    """
    if objects <= 0:
        return float("nan")
    if not len(right):
        return 0.0
    ones = np.ones_like(right) if weights is None else weights
    found, total = np.cumsum(right * ones), np.cumsum(ones)
    precision = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / objects, _RECALLS, side="left")
    return float(np.append(best, 0.0)[np.minimum(places, len(best))].mean())
