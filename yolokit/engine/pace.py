"""How many pictures a second a device trains on, measured by a few real steps.

A time budget is planned by it: how many pictures a run will see decides its batch, how much of the
backbone learns, and how often it is validated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from yolokit.backbones.backbone import all_frozen
from yolokit.config import ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import collate
from yolokit.engine.feature_plan import turns_of
from yolokit.engine.module import outputs_of
from yolokit.engine.parts import training_pictures
from yolokit.errors import ConfigError
from yolokit.heads.family import family_of
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.types import Batch, FeatureBatch, GridOutput, Truth

_MOST_SECONDS, _MOST_SHARE = 5.0, 0.03  # of measuring: whichever of the budget's share is less
_LEAST_LEFT, _HALF = 0.1, 0.5  # of a budget, to train in once feature maps are made
_MIXED = {"16": torch.float16, "bf16": torch.bfloat16}


class Measured(NamedTuple):
    """What a time budget is planned by.

    ``pace``, pictures a second of one process; ``feature_cache``, the variants of each picture
    whose feature maps the budget has time to make.
    """

    pace: float
    feature_cache: int


def measure_pace(
    config: ResolvedConfig,
    train_set: CocoDataset,
    *,
    accelerator: str,
    fewer_variants: bool = True,
    now: Callable[[], float] = time.monotonic,
) -> Measured:
    """Train a throw-away detector for a few steps, and see how fast it goes.

    The caller's random numbers are left as they are. The first step warms up and is not counted;
    at least one more is. Loading is not: it goes on beside training, or pictures are kept. With a
    feature cache steps have no backbone, and what is seen in the whole budget is spread over it,
    the making of the maps included; to load and augment their pictures is a part of that.

    Args:
        config: with a time budget; resolved by the pace that is usual for the device.
        train_set: what will be trained on.
        accelerator: "cpu", "cuda" or "mps".
        fewer_variants: of each picture may be made than are asked for.
        now: the time in seconds.

    Returns:
        The pace, to three digits, so that it can be written and read.

    Raises:
        ConfigError: making the feature maps would take the budget.
    """
    budget = config.train.time_budget
    if budget is None:
        raise ValueError("a pace plans a time budget, and this run has none")
    device = torch.device(accelerator)
    with torch.random.fork_rng(devices=[0] if accelerator == "cuda" else []):
        detector = _detector(config, train_set, device)
        step = _step_of(config, detector)
        batch = _batch_of(config, train_set, device)
        limit = now() + min(_MOST_SECONDS, _MOST_SHARE * budget)
        if not config.train.feature_cache:
            return Measured(_rounded(_rate(lambda: step(detector, batch), batch, limit, now)), 0)
        maps = _maps_of(config, detector, batch)
        made = _rate(lambda: _maps_of(config, detector, batch), batch, 0.0, now)
        once, each = _loading(config, train_set, now)
        filling = _Filling(len(train_set), once, each + 1 / made)
        seen = _rate(lambda: step(lambda _: outputs_of(detector, maps), batch), batch, limit, now)
        return _with_filling(config, filling, seen, fewer_variants)


def _rate(
    work: Callable[[], object], batch: Batch, limit: float, now: Callable[[], float]
) -> float:
    """Pictures a second of some work on a batch."""
    work()
    started, seen = now(), 0
    while not seen or now() < limit:
        work()
        seen += len(batch.images)
    return seen / max(1e-9, now() - started)


def _rounded(rate: float) -> float:
    return float(f"{rate:.3g}")


class _Filling(NamedTuple):
    """What the maps of a set take: of so many ``pictures``, the seconds that one takes ``once``, to
    be decoded for a cache, and ``each`` time that it is augmented and looked at."""

    pictures: int
    once: float
    each: float

    def seconds(self, times: int) -> float:
        """With each picture augmented so many times."""
        return self.pictures * (self.once + times * self.each)


def _loading(
    config: ResolvedConfig, train_set: CocoDataset, now: Callable[[], float]
) -> tuple[float, float]:
    """Seconds that a picture takes once, to be kept, and each time that it is augmented."""
    count, kept = config.train.batch_size, config.data.cache != "none"
    some = train_set.pictures(range(count)) if kept else train_set
    started = now()
    pictures = training_pictures(config, some, cache="ram" if kept else "none")
    opened = now()
    collate([pictures[(0, index)] for index in range(count)])
    each = (now() - opened) / count / max(1, config.train.workers)
    return (opened - started) / count, each


def _with_filling(config: ResolvedConfig, filling: _Filling, seen: float, fewer: bool) -> Measured:
    """How many variants fit into a budget, and what is seen in it, in pictures a second of all.

    Of the variants that are asked for so many are made as take half of the budget and have an epoch
    each; one is made in any case.

    Args:
        config: with a time budget and a feature cache.
        filling: what it takes.
        seen: pictures a second that steps see.
        fewer: variants may be made than are asked for; else all are, if the budget leaves
            something to train in.
    """
    train = config.train
    assert train.time_budget is not None
    least_variants = 1 if fewer else train.feature_cache
    for variants in range(train.feature_cache, least_variants - 1, -1):
        seconds = filling.seconds(sum(turns_of(variants, config.augment)))
        left = 1 - seconds / train.time_budget
        epochs = left * train.time_budget * seen / filling.pictures
        last = variants == least_variants
        if left >= (_LEAST_LEFT if last else _HALF) and (last or variants <= epochs):
            return Measured(_rounded(left * seen), variants)
    raise ConfigError(
        f"making the maps of train.feature_cache takes about {seconds:.0f} s of a time budget of "
        f"{train.time_budget:g} s, for {variants} of each picture. Raise train.time_budget, or "
        f"{'set train.feature_cache to 0' if fewer else 'go on by train.epochs'}"
    )


def _batch_of(config: ResolvedConfig, train_set: CocoDataset, device: torch.device) -> Batch:
    """The first training pictures, augmented."""
    pictures = training_pictures(config, train_set, cache="none")
    batch = collate([pictures[(0, index)] for index in range(config.train.batch_size)])
    truths = [Truth(each.boxes.to(device), each.labels.to(device)) for each in batch.truths]
    return Batch(batch.images.to(device), truths, batch.letterboxes, batch.image_ids)


@torch.no_grad()
def _maps_of(config: ResolvedConfig, detector: Detector, batch: Batch) -> FeatureBatch:
    """What the backbone makes of a batch."""
    kind = batch.images.device.type
    dtype = _MIXED.get(config.train.precision)
    with (
        all_frozen(detector.backbone),
        torch.autocast(kind, dtype=dtype, enabled=dtype is not None),
    ):
        maps = detector.backbone(detector.normalise(batch.images))
    float(maps[-1].sum())  # waits for the device
    image_hw = (batch.images.shape[2], batch.images.shape[3])
    return FeatureBatch(maps, image_hw, batch.truths, batch.letterboxes, batch.image_ids)


def _detector(config: ResolvedConfig, train_set: CocoDataset, device: torch.device) -> Detector:
    """One with random weights, which is as fast as that of the run."""
    blank = config.model.backbone.model_copy(update={"weights": "none"})
    detector = build_detector(
        config.model.model_copy(update={"backbone": blank}),
        num_classes=len(train_set.class_names),
        image_hw=config.data.image_hw,
    )
    return detector.to(device).train()


def _step_of(
    config: ResolvedConfig, detector: Detector
) -> Callable[[Callable[[Tensor], list[GridOutput]], Batch], None]:
    """A training step: of what gives outputs of pictures, and a batch."""
    criterion = family_of(config.model.head).criterion()
    optimizer = torch.optim.AdamW([p for p in detector.parameters() if p.requires_grad], lr=1e-4)
    dtype = _MIXED.get(config.train.precision)

    def step(outputs_for: Callable[[Tensor], list[GridOutput]], batch: Batch) -> None:
        kind = batch.images.device.type
        with torch.autocast(kind, dtype=dtype, enabled=dtype is not None):
            outputs = outputs_for(batch.images)
        loss = torch.stack(list(criterion(outputs, batch.truths).values())).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()  # waits for the device

    return step
