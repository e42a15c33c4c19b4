"""The moving average of the weights that is scored and kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

EmaAverage = Callable[[list[Tensor], list[Tensor], Tensor], None]


def ema_average(cap: float) -> EmaAverage:
    """An averaging rule for EMA whose window grows with the run.

    After n updates the decay is (1 + n) / (10 + n): the average spans about the last ninth of
    the steps, on ten photos as on ten thousand. Tensors of one type are averaged in one call:
    there are hundreds, and most are small. A tensor that is the average itself is left alone.

    Args:
        cap: the largest decay, 0..1.
    """

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        count = float(updates)
        rate = min((1 + count) / (10 + count), cap)
        pairs = zip(averaged, current, strict=True)
        apart = [pair for pair in pairs if pair[0].data_ptr() != pair[1].data_ptr()]
        if not apart:
            return
        averaged, current = map(list, zip(*apart, strict=True))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - rate)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return average


class AverageInPlace(lightning.Callback):
    """Keeps the average where the weights are; Lightning makes it before they are moved there.

    Args:
        ema: the averaging callback; called before.
    """

    def __init__(self, ema: WeightAveraging) -> None:
        self.ema = ema

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Move it."""
        averaged: Any = self.ema._average_model
        averaged.module.to(pl_module.device)


class SharedBackbone(lightning.Callback):
    """Lets the average have the weights of a backbone that never learns, not copies of them.

    The average of a number that stays is that number; to find so costs a step as much memory
    traffic as the whole backbone has, a quarter of a gigabyte for ResNet-50.

    Args:
        ema: the averaging callback; called before, as is ``AverageInPlace``.
    """

    def __init__(self, ema: WeightAveraging) -> None:
        self.ema = ema

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Share them; a state that is resumed has been read by now."""
        averaged: Any = self.ema._average_model
        pairs = (_tensors(part.detector.backbone) for part in (averaged.module, pl_module))
        for mine, its in zip(*pairs, strict=True):
            mine.data = its.data


def _tensors(module: nn.Module) -> itertools.chain[Tensor]:
    return itertools.chain(module.parameters(), module.buffers())
