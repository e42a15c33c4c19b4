"""How many pictures a second a device trains on, measured by a few real steps.

A time budget is planned by it: how many pictures a run will see decides its batch, how much of the
backbone learns, and how often it is validated.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from yolokit.config import ResolvedConfig
from yolokit.data.augment import Augmenter
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset, collate
from yolokit.heads.family import family_of
from yolokit.models.build import build_detector
from yolokit.types import Batch, Truth

_MOST_SECONDS, _MOST_SHARE = 5.0, 0.03  # of measuring: whichever of the budget's share is less
_MIXED = {"16": torch.float16, "bf16": torch.bfloat16}


def measure_pace(
    config: ResolvedConfig,
    train_set: CocoDataset,
    *,
    accelerator: str,
    now: Callable[[], float] = time.monotonic,
) -> float:
    """Train a throw-away detector for a few steps, and see how fast it goes.

    The caller's random numbers are left as they are. The first step warms up and is not counted;
    at least one more is. Loading is not: it goes on beside training, or pictures are kept.

    Args:
        config: with a time budget; resolved by the pace that is usual for the device.
        train_set: what will be trained on.
        accelerator: "cpu", "cuda" or "mps".
        now: the time in seconds.

    Returns:
        Pictures a second of one process, to three digits, so that it can be written and read.
    """
    budget = config.train.time_budget
    if budget is None:
        raise ValueError("a pace plans a time budget, and this run has none")
    device = torch.device(accelerator)
    with torch.random.fork_rng(devices=[0] if accelerator == "cuda" else []):
        step = _step_of(config, train_set, device)
        batch = _batch_of(config, train_set, device)
        limit = now() + min(_MOST_SECONDS, _MOST_SHARE * budget)
        step(batch)
        started, seen = now(), 0
        while not seen or now() < limit:
            step(batch)
            seen += len(batch.images)
        return float(f"{seen / max(1e-9, now() - started):.3g}")


def _batch_of(config: ResolvedConfig, train_set: CocoDataset, device: torch.device) -> Batch:
    """The first training pictures, augmented."""
    image_hw = config.data.image_hw
    pictures = DetectionDataset(
        train_set, image_hw, augmenter=Augmenter(config.augment, image_hw), seed=config.train.seed
    )
    batch = collate([pictures[(0, index)] for index in range(config.train.batch_size)])
    truths = [Truth(each.boxes.to(device), each.labels.to(device)) for each in batch.truths]
    return Batch(batch.images.to(device), truths, batch.letterboxes, batch.image_ids)


def _step_of(
    config: ResolvedConfig, train_set: CocoDataset, device: torch.device
) -> Callable[[Batch], None]:
    """A training step of a detector with random weights: those of the run are as fast."""
    blank = config.model.backbone.model_copy(update={"weights": "none"})
    detector = build_detector(
        config.model.model_copy(update={"backbone": blank}),
        num_classes=len(train_set.class_names),
        image_hw=config.data.image_hw,
    )
    detector.to(device).train()
    criterion = family_of(config.model.head).criterion()
    optimizer = torch.optim.AdamW([p for p in detector.parameters() if p.requires_grad], lr=1e-4)
    dtype = _MIXED.get(config.train.precision)

    def step(batch: Batch) -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            outputs = detector(batch.images)
        loss = torch.stack(list(criterion(outputs, batch.truths).values())).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()  # waits for the device

    return step
