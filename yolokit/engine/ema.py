"""The moving average of the weights that is scored and kept."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EmaAverage = Callable[[list[Tensor], list[Tensor], Tensor], None]


def ema_average(cap: float) -> EmaAverage:
    """An averaging rule for EMA whose window grows with the run.

    After n updates the decay is (1 + n) / (10 + n): the average spans about the last ninth of
    the steps, on ten photos as on ten thousand. Tensors of one type are averaged in one call:
    there are hundreds, and most are small.

    Args:
        cap: the largest decay, 0..1.
    """

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        count = float(updates)
        rate = min((1 + count) / (10 + count), cap)
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - rate)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return average
