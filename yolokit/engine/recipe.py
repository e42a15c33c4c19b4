"""Turning every ``auto`` of a config into a number that suits the set and the time there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.config import Config, ResolvedConfig, ResolvedModel
from yolokit.data.cache import kept_bytes
from yolokit.data.loading import spare_workers
from yolokit.engine.devices import fastest_precision
from yolokit.engine.input_shape import fit_input
from yolokit.errors import ConfigError
from yolokit.machine import usable_memory
from yolokit.sections import (
    ResolvedAugment,
    ResolvedBackbone,
    ResolvedData,
    ResolvedTrain,
    Section,
)

# Peak rate of the head at a batch of 16, by recipe and optimizer.
_LR_AT_16 = {
    "fixed": {"adamw": 1e-3, "sgd": 1e-2},
    "adaptive": {"adamw": 3e-3, "sgd": 1e-2},
}
_VALIDATION_SHARE = 0.1  # of the training time
_VALIDATION_COST = 0.7  # of a training picture's, for one validated picture

# Pictures of 320 px that a device usually trains on in a second; plans a time budget until the real
# pace is measured.
_PACE = {"cpu": 16.0, "mps": 80.0, "cuda": 400.0}
_PACE_AREA = 320.0**2  # pixels
_STEPS_WANTED = 1000  # where a run would have fewer, smaller batches give it more
_BATCH = 16  # pictures; fills two cores
_SMALLEST_BATCH, _LARGEST_BATCH = 8, {"cpu": 16, "mps": 16, "cuda": 64}
_SHORT = 150  # passes over the training pictures; a run of fewer saves where it can
_WARMUP_SHARE, _WARMUP_STEPS = 0.05, 1000
_MEMORY_SHARE = 0.3  # that kept pictures may take


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is known of a run before its first step.

    Args:
        images: pictures trained on.
        seen: pictures the run is expected to see, the same one in every pass anew.
        accelerator: "cpu", "cuda" or "mps".
        batch_size: pictures of a step, over all processes and accumulated batches.
    """

    images: int
    seen: float
    accelerator: str
    batch_size: int

    @property
    def passes(self) -> float:
        return self.seen / self.images

    @property
    def steps(self) -> float:
        return self.seen / self.batch_size


def resolve(
    config: Config,
    *,
    train_sizes: NDArray[np.int64],
    val_images: int,
    accelerator: str = "cpu",
    world_size: int = 1,
) -> ResolvedConfig:
    """The config with every ``auto`` replaced; what is given is kept.

    With ``train.recipe: fixed`` the replacements are the same for every set and budget.

    Args:
        config: as read.
        train_sizes: [I, 2] (height, width) of the pictures trained on, pixels; I >= 1.
        val_images: pictures validated on, 0 without a validation split.
        accelerator: "cpu", "cuda" or "mps".
        world_size: training processes that share a batch.

    Raises:
        ConfigError: a batch larger than the set, or not to be shared evenly.
    """
    config = fit_input(config, train_sizes)
    train, train_images = config.train, len(train_sizes)
    pace = _pace(config, accelerator)
    seen = _pictures_seen(config, train_images, pace, world_size)
    batch_size = _batch_size(config, train_images, seen, accelerator, world_size)
    if batch_size > train_images or batch_size % world_size:
        raise ConfigError(
            f"train.batch_size is {batch_size}; choose a multiple of {world_size} (processes) "
            f"that is at most {train_images} (training pictures), or auto"
        )
    plan = _Plan(
        images=train_images,
        seen=seen,
        accelerator=accelerator,
        batch_size=batch_size * train.accumulate,
    )
    choices: dict[str, Any] = {
        "pace": pace,
        "batch_size": batch_size,
        "lr": _LR_AT_16[train.recipe][train.optimizer] * math.sqrt(plan.batch_size / 16),
        "warmup": _warmup(plan, train.recipe),
        "validate_every": _epochs_between_validations(plan, val_images),
        "workers": spare_workers(accelerator, world_size),
        "precision": fastest_precision(accelerator),
    }
    data = config.data
    kept = world_size * (1 + val_images / train_images)  # copies of the training pictures
    fits = plan.passes > 1 and _fit_in_memory(train_sizes, data.image_hw, kept)
    backbone = config.model.backbone
    return ResolvedConfig(
        model=ResolvedModel(
            head=config.model.head,
            backbone=ResolvedBackbone(**_filled(backbone, _backbone(plan, train.recipe))),
        ),
        data=ResolvedData(**_filled(data, {"cache": "ram" if fits else "none"})),
        augment=ResolvedAugment(**_filled(config.augment, {})),
        train=ResolvedTrain(**_filled(train, choices)),
        predict=config.predict,
    )


def _backbone(plan: _Plan, recipe: str) -> dict[str, Any]:
    if recipe == "fixed":
        return {"trainable_stages": "all", "lr_factor": 0.1}
    hurried = plan.accelerator == "cpu" and plan.passes < _SHORT
    return {"trainable_stages": 3 if hurried else "all", "lr_factor": 0.3}


def _warmup(plan: _Plan, recipe: str) -> float:
    """Share of the steps."""
    if recipe == "fixed":
        return _WARMUP_SHARE
    return min(_WARMUP_SHARE, _WARMUP_STEPS / plan.steps)


def _fit_in_memory(sizes_hw: NDArray[np.int64], input_hw: tuple[int, int], copies: float) -> bool:
    memory = usable_memory()
    return memory is not None and copies * kept_bytes(sizes_hw, input_hw) <= _MEMORY_SHARE * memory


def _filled(section: Section, choices: dict[str, Any]) -> dict[str, Any]:
    """A section's values, the choice for each ``auto``; without one, the resolved default."""
    given = {key: value for key, value in section if value != "auto"}
    return {**choices, **given}


def planned_by(config: Config, pace: float, feature_cache: int) -> Config:
    """The config with what was measured for it: pictures a second of one process, and variants
    whose feature maps there is time to make."""
    update = {"pace": pace, "feature_cache": feature_cache}
    return config.model_copy(update={"train": config.train.model_copy(update=update)})


def _pace(config: Config, accelerator: str) -> float | None:
    """Pictures a second of one process, as given or as usual; None where no budget asks."""
    train = config.train
    if train.time_budget is None:
        return None
    if isinstance(train.pace, float):
        return train.pace
    height, width = config.data.image_hw
    return _PACE[accelerator] * _PACE_AREA / (height * width)


def _pictures_seen(config: Config, train_images: int, pace: float | None, world_size: int) -> float:
    train = config.train
    if train.time_budget is None or pace is None:
        return float(train.epochs * train_images)
    return max(1.0, train.time_budget * pace * world_size)


def _batch_size(
    config: Config, train_images: int, seen: float, accelerator: str, world_size: int
) -> int:
    """A power of two a process; small where the run is short or the set is."""
    given = config.train.batch_size
    if not isinstance(given, str):
        return given
    wanted = float(_BATCH)
    if config.train.recipe == "adaptive":
        wanted = seen / _STEPS_WANTED / config.train.accumulate / world_size
        wanted = min(max(wanted, _SMALLEST_BATCH), _LARGEST_BATCH[accelerator])
        wanted = 2.0 ** round(math.log2(wanted))
    return max(world_size, min(int(wanted) * world_size, train_images) // world_size * world_size)


def _epochs_between_validations(plan: _Plan, val_images: int) -> int:
    """So many that validating takes about a tenth of the time, but at least ten times a run."""
    cost = _VALIDATION_COST * val_images / plan.images  # in epochs of training
    return max(1, min(round(cost / _VALIDATION_SHARE), int(plan.passes / 10)))
