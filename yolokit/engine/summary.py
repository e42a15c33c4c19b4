"""What a training says before it starts: model, data, recipe."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from yolokit.backbones.backbone import freeze_stages
from yolokit.config import Config, ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.data.statistics import narrow_share
from yolokit.engine.console import clock_text
from yolokit.engine.devices import Placement
from yolokit.files import shown_path
from yolokit.heads.family import family_of
from yolokit.models.detector import Detector
from yolokit.sections import ResolvedBackbone, ResolvedTrain

_MANY = 0.3  # of the boxes
_WIDTH = 100  # characters
_GLUE = "\0"  # a space at which no line ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A training about to start.

    Args:
        folder: of the run.
        asked: the config as given, with what it leaves at ``auto``.
        config: resolved.
        detector: as built; its backbone is frozen as the first epoch wants it.
        train_set: to train on.
        val_set: to choose the best model by, or None.
        placement: where it runs.
        checkpoint: to resume from, or None.
    """

    folder: Path
    asked: Config
    config: ResolvedConfig
    detector: Detector
    train_set: CocoDataset
    val_set: CocoDataset | None
    placement: Placement
    checkpoint: Path | None


def summary(opening: Opening) -> str:
    """What a training is about to do, in a few lines."""
    config, val_set = opening.config, opening.val_set
    model = config.model
    height, width = config.data.image_hw
    lines = [
        f"model   {model.head.type} on {model.backbone.name} (weights {model.backbone.weights}), "
        f"{family_of(model.head).grids}, {width}x{height} px",
        f"        {_parameters(opening.detector, model.backbone)}",
        f"train   {_describe(opening.train_set)}",
        f"val     {_describe(val_set) if val_set else 'none: the latest model is kept'}",
    ]
    if chosen := _chosen(opening.asked, config):
        glued = ", ".join(each.replace(" ", _GLUE) for each in chosen)
        wrapped = textwrap.wrap(glued, _WIDTH, initial_indent="auto    ", subsequent_indent=" " * 8)
        lines += [line.replace(_GLUE, " ") for line in wrapped]
    lines.append(
        f"run     {_length(config.train)} on {_place(opening.placement)}, in {opening.folder}"
    )
    if note := _size_note(config, opening.train_set):
        lines.append(f"note    {note}")
    if opening.checkpoint:
        lines.append(f"resume  {opening.checkpoint}")
    return "\n".join([*lines, ""])


def _parameters(detector: Detector, backbone: ResolvedBackbone) -> str:
    """How many there are, and how many of them learn from the first step on."""
    freeze_stages(detector.backbone, backbone.trainable_stages, backbone.freeze_batch_norm)
    sizes = [(each.numel(), each.requires_grad) for each in detector.parameters()]
    total, learning = sum(size for size, _ in sizes), sum(size for size, own in sizes if own)
    stages = len(detector.backbone.stages)
    top = backbone.trainable_stages
    what = (
        "all"
        if top == "all" or top >= stages
        else f"neck, head and the top {top} of {stages} stages"
    )
    if top == 0:
        what = "neck and head"
    text = f"{total / 1e6:.3g} million parameters, {learning / 1e6:.3g} million learn ({what}"
    if backbone.unfreeze_epoch is not None:
        text += f"; all from epoch {backbone.unfreeze_epoch + 1} on"
    return f"{text})"


def _chosen(asked: Config, config: ResolvedConfig) -> list[str]:
    """What was left at ``auto``, and what it has become."""
    pairs = [
        (asked.model.backbone, config.model.backbone),
        (asked.data, config.data),
        (asked.train, config.train),
        (asked.augment, config.augment),
    ]
    chosen = [
        f"{key} {_value(getattr(found, key))}"
        for given, found in pairs
        for key, value in given
        if value == "auto" and getattr(found, key) is not None
    ]
    if asked.data.image_hw != config.data.image_hw:
        height, width = config.data.image_hw
        chosen.insert(0, f"image_size [{height}, {width}]")
    return chosen


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _length(train: ResolvedTrain) -> str:
    if train.time_budget is not None:
        return f"{clock_text(train.time_budget)} minutes, seed {train.seed},"
    return f"{train.epochs} epochs, seed {train.seed},"


def _place(placement: Placement) -> str:
    count = placement.world_size
    return placement.accelerator if count == 1 else f"{placement.accelerator} x{count}"


def _size_note(config: ResolvedConfig, train_set: CocoDataset) -> str:
    """What to do where many objects are too small at this input size to be seen well."""
    finest = family_of(config.model.head).finest_cell(config.data.image_hw)
    share = narrow_share(train_set, config.data.image_hw, finest)
    if share < _MANY:
        return ""
    return (
        f"{share:.0%} of the boxes are narrower than a cell of {finest:g} px, which makes them "
        "hard: `yolokit data stats --config` tells which data.image_size or grid would show them"
    )


def _describe(data: CocoDataset) -> str:
    return (
        f"{len(data)} pictures, {len(data.boxes)} boxes, {len(data.class_names)} classes  "
        f"({shown_path(data.annotations)})"
    )
