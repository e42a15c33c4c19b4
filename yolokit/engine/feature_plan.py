"""Which augmented pictures a training with a feature cache looks at, each named once.

Shape legend: I pictures of the set; V variants of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.config import ResolvedConfig
from yolokit.engine.sampling import epoch_order
from yolokit.sections import ResolvedAugment


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePlan:
    """Where the maps of each augmented picture lie, and which variant an epoch takes.

    Args:
        rows: [2, V, I] int32, by whether mosaic is allowed, variant and picture: the row of its
            maps; -1 where the training never looks.
        turns: how many variants take turns without mosaic, and with it: epoch e takes e modulo
            that.
    """

    rows: NDArray[np.int32]
    turns: tuple[int, int]

    def __len__(self) -> int:
        return int(self.rows.max()) + 1

    def row(self, epoch: int, index: int, mosaic: bool) -> int:
        """The row of a sample, as the sampler names it.

        Raises:
            IndexError: the plan has no such sample.
        """
        row = int(self.rows[int(mosaic), epoch % self.turns[mosaic], index])
        if row < 0:
            raise IndexError(f"no maps of picture {index} are kept for epoch {epoch}")
        return row

    def samples(self) -> list[tuple[int, int, bool]]:
        """``(variant, picture, mosaic)`` of each row: keys of a data set's samples."""
        found = np.argwhere(self.rows >= 0).tolist()  # in the order of the rows
        return [(variant, index, bool(mosaic)) for mosaic, variant, index in found]


def plan_features(
    config: ResolvedConfig, pictures: int, mosaic: Callable[[int], bool]
) -> FeaturePlan:
    """The samples that a run will look at, no other.

    With a time budget nobody knows how many epochs there will be, nor in which of them mosaic
    ends: then all variants are made of every picture, and without mosaic the share
    ``augment.close_mosaic`` of them, so that each is looked at about as often as any other.

    Args:
        config: of the run, with a feature cache.
        pictures: I.
        mosaic: whether a batch may use mosaic, by its number in the whole run.
    """
    if config.train.time_budget is not None:
        return _every_picture(config, pictures)
    train = config.train
    variants = min(train.feature_cache, train.epochs)
    wanted = np.zeros((2, variants, pictures), dtype=bool)
    batches = pictures // train.batch_size
    for epoch in range(train.epochs):
        order = epoch_order(pictures, train.seed, epoch).numpy()
        allowed = [mosaic(epoch * batches + batch) for batch in range(batches)]
        flags = np.repeat(allowed, train.batch_size).astype(np.intp)
        wanted[flags, epoch % variants, order[: len(flags)]] = True
    return _plan(wanted, (variants, variants))


def turns_of(variants: int, augment: ResolvedAugment) -> tuple[int, int]:
    """How many variants of each picture a run by the clock makes without mosaic, and with it.

    Args:
        variants: of each picture that are wanted.
        augment: says whether there is mosaic, and when it ends.
    """
    closing = augment.close_mosaic if augment.mosaic else 0.0
    return math.ceil(variants * closing), variants if closing < 1 else 0


def _every_picture(config: ResolvedConfig, pictures: int) -> FeaturePlan:
    turns = turns_of(config.train.feature_cache, config.augment)
    wanted = np.zeros((2, max(turns), pictures), dtype=bool)
    for mosaic, variants in enumerate(turns):
        wanted[mosaic, :variants] = True
    return _plan(wanted, turns)


def _plan(wanted: NDArray[np.bool_], turns: tuple[int, int]) -> FeaturePlan:
    rows = np.full(wanted.shape, -1, dtype=np.int32)
    rows[wanted] = np.arange(np.count_nonzero(wanted), dtype=np.int32)
    return FeaturePlan(rows, turns)
