"""Turning every ``auto`` of a config into a number that suits the size of the set."""

from __future__ import annotations

import math

from yolokit.config import Config
from yolokit.data.loading import spare_workers
from yolokit.errors import ConfigError

_BATCH_SIZE = 16  # pictures; fills two cores and is small enough for a set of a hundred
_LR_AT_16 = {"adamw": 1e-3, "sgd": 1e-2}  # peak rate of the head at that batch size
_VALIDATION_SHARE = 0.1  # of the training time
_VALIDATION_COST = 0.4  # of a training picture's, for one validated picture


def resolve(
    config: Config,
    *,
    train_images: int,
    val_images: int,
    accelerator: str = "cpu",
    world_size: int = 1,
) -> Config:
    """The config with every ``auto`` replaced; what is given is kept.

    Args:
        config: as read.
        train_images: pictures trained on, >= 1.
        val_images: pictures validated on, 0 without a validation split.
        accelerator: "cpu", "cuda" or "mps".
        world_size: training processes that share a batch.

    Raises:
        ConfigError: a batch larger than the set, or not to be shared evenly.
    """
    train = config.train
    batch_size = _batch_size(config, train_images, world_size)
    if batch_size > train_images or batch_size % world_size:
        raise ConfigError(
            f"train.batch_size is {batch_size}; choose a multiple of {world_size} (processes) "
            f"that is at most {train_images} (training pictures), or auto"
        )
    lr = train.lr
    if isinstance(lr, str):
        lr = _LR_AT_16[train.optimizer] * math.sqrt(batch_size * train.accumulate / _BATCH_SIZE)
    every = train.validate_every
    if every == "auto":
        every = _epochs_between_validations(config, train_images, val_images)
    workers = (
        train.workers if isinstance(train.workers, int) else spare_workers(accelerator, world_size)
    )
    chosen = {"batch_size": batch_size, "lr": lr, "validate_every": every, "workers": workers}
    return config.model_copy(update={"train": train.model_copy(update=chosen)})


def _batch_size(config: Config, train_images: int, world_size: int) -> int:
    given = config.train.batch_size
    if not isinstance(given, str):
        return given
    wanted = min(_BATCH_SIZE * world_size, train_images)
    return max(world_size, wanted // world_size * world_size)


def _epochs_between_validations(config: Config, train_images: int, val_images: int) -> int:
    """So many that validating takes about a tenth of the time, but at least ten times a run."""
    cost = _VALIDATION_COST * val_images / train_images  # in epochs of training
    every = max(1, round(cost / _VALIDATION_SHARE))
    if config.train.time_budget is None:
        every = min(every, max(1, config.train.epochs // 10))
    return every
