"""What a training says before it starts: model, data, recipe."""

from __future__ import annotations

from pathlib import Path

from yolokit.config import ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.data.statistics import narrow_share
from yolokit.engine.devices import Placement
from yolokit.heads.family import family_of

_MANY = 0.3  # of the boxes


def summary(
    config: ResolvedConfig,
    train_set: CocoDataset,
    val_set: CocoDataset | None,
    placement: Placement,
    checkpoint: Path | None,
) -> str:
    """What a training is about to do, in a few lines.

    Args:
        config: resolved.
        train_set: to train on.
        val_set: to choose the best model by, or None.
        placement: where it runs.
        checkpoint: to resume from, or None.
    """
    model, train = config.model, config.train
    height, width = config.data.image_hw
    length = (
        f"{train.time_budget / 60:g} min"
        if train.time_budget is not None
        else f"{train.epochs} epochs"
    )
    lines = [
        f"model   {model.head.type} on {model.backbone.name} (weights {model.backbone.weights}), "
        f"{family_of(model.head).grids}, {width}x{height} px",
        f"train   {_describe(train_set)}",
        f"val     {_describe(val_set) if val_set else 'none: the latest model is kept'}",
        f"recipe  {length}, batch {train.batch_size}, lr {train.lr:g}, seed {train.seed}, "
        f"on {placement.accelerator} x{placement.world_size}",
    ]
    if note := _size_note(config, train_set):
        lines.append(f"note    {note}")
    if checkpoint:
        lines.append(f"resume  {checkpoint}")
    return "\n".join(lines)


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
    text = (
        f"{len(data)} pictures, {len(data.boxes)} boxes, {len(data.class_names)} classes  "
        f"({data.annotations})"
    )
    if data.bad_boxes:
        ids = ", ".join(f"{bad.annotation_id} ({bad.reason})" for bad in data.bad_boxes[:10])
        more = ", …" if len(data.bad_boxes) > 10 else ""
        text += f"\n        {len(data.bad_boxes)} bad boxes left out, annotation ids: {ids}{more}"
    return text
