"""What a report says of a run besides its scores: model, recipe, data, time, versions."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from yolokit._version import __version__
from yolokit.ceiling.grid import grid_ceiling
from yolokit.config import ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.engine.console import clock_text
from yolokit.engine.run_folder import RunFolder
from yolokit.errors import DataError
from yolokit.heads.family import family_of
from yolokit.models.card import ModelCard
from yolokit.sections import SplitConfig

_LIBRARIES = ("torch", "torchvision", "lightning", "albumentations", "pycocotools", "numpy")
_NAMED_BAD_BOXES = 10
_DEFAULT_BATCH = 16  # of ``yolokit eval``


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished training.

    Args:
        folder: with its model and metrics.
        config: resolved, with absolute data paths.
        card: of the saved model.
        epochs: the rows of metrics.csv.
        parameters: numbers in the model.
        train_set: what was trained on.
        val_set: what the model was chosen by, or None.
        device: where it was trained.
        world_size: training processes.
    """

    folder: RunFolder
    config: ResolvedConfig
    card: ModelCard
    epochs: list[dict[str, str]]
    parameters: int
    train_set: CocoDataset
    val_set: CocoDataset | None
    device: torch.device
    world_size: int

    @property
    def best_epoch(self) -> int:
        """The epoch that the saved model is of, counted from 1: of equal APs the last."""
        scored = [
            (float(row["AP"]), int(row["epoch"]))
            for row in self.epochs
            if row.get("AP") and not math.isnan(float(row["AP"]))
        ]
        return max(scored)[1] if scored else int(self.card.metrics.get("epoch") or 0)

    @property
    def model_name(self) -> str:
        """Head and backbone."""
        return f"{self.card.model.head.type} on {self.card.model.backbone.name}"


def run_facts(run: Run) -> list[tuple[str, str]]:
    """Names with what they were in this run; the important first."""
    train, backbone = run.config.train, run.card.model.backbone
    head = run.card.model.head
    height, width = run.card.image_hw
    pairs = [
        (
            "model",
            f"{run.model_name} (weights {backbone.weights}), {run.parameters / 1e6:.3g} million "
            f"parameters, input {width}x{height} px",
        ),
        ("head", _listed(head.model_dump(exclude={"type", "loss"}))),
        ("backbone", _listed(backbone.model_dump(exclude={"name", "weights"}))),
        ("loss", _listed(head.loss.model_dump())),
        (
            "recipe",
            f"{train.optimizer}, learning rate {train.lr:g}, batch {train.batch_size}"
            f"{f' x {train.accumulate}' if train.accumulate > 1 else ''}, "
            f"weight decay {train.weight_decay:g}, EMA {'on' if train.ema else 'off'}, "
            f"seed {train.seed}",
        ),
        ("augmentation", _augmentation(run.config)),
        ("length", _length(run)),
        ("device", device_text(run.device, run.world_size)),
        ("versions", _versions()),
    ]
    size = family_of(head).own_grid
    if run.val_set is not None and size is not None:
        pairs.insert(2, ("grid", _grid(run, run.val_set, size)))
    return pairs


def data_rows(run: Run) -> list[list[str]]:
    """Counts of a run's splits: name, pictures, empty ones, boxes, of them crowds, of them bad."""
    rows = []
    for name, data in (("train", run.train_set), ("val", run.val_set)):
        if data is not None:
            empty = int((data.box_offsets[1:] == data.box_offsets[:-1]).sum())
            bad = len(data.bad_boxes)
            counts = [len(data), empty, len(data.boxes) + bad, int(data.crowd.sum()), bad]
            rows.append([name, *map(str, counts)])
    return rows


def bad_boxes(run: Run) -> str:
    """The boxes that were left out, by annotation id, or nothing."""
    found = [bad for data in (run.train_set, run.val_set) if data for bad in data.bad_boxes]
    if not found:
        return ""
    ids = ", ".join(f"{each.annotation_id} ({each.reason})" for each in found[:_NAMED_BAD_BOXES])
    more = ", …" if len(found) > _NAMED_BAD_BOXES else ""
    return f"Bad boxes left out, by annotation id: {ids}{more}."


def commands(run: Run) -> str:
    """Command lines that train again, score and use the model."""
    model = shlex.quote(str(run.folder.model))
    again = shlex.quote(f"{run.folder.path}-again")
    lines = [
        "# train again: the same data, settings and seed",
        f"yolokit train {shlex.quote(str(run.folder.config))} --run {again}",
    ]
    val = run.config.data.val
    if val is not None and run.val_set is not None:
        folder = data_folder(val, "val")
        batch = run.config.train.eval_batch_size
        option = f" --batch-size {batch}" if batch != _DEFAULT_BATCH else ""
        lines += ["", "# score it: the numbers above"]
        if folder is None:
            lines.append(f"# data.yaml holds: val: {{images: {val.images}, ")
            lines[-1] += f"annotations: {val.annotations}}}"
        data = "data.yaml" if folder is None else shlex.quote(str(folder))
        lines.append(f"yolokit eval {model} --data {data} --split val{option}")
    lines += ["", "# use it on pictures, a folder or a video"]
    lines.append(f"yolokit detect {model} photo.jpg --out found")
    return "\n".join(lines)


def data_folder(split: SplitConfig, name: str) -> Path | None:
    """The folder or file that ``--data`` would find this split in, or None."""
    file = split.annotations
    for folder in (file.parent.parent, file.parent, file):
        try:
            if locate_splits(folder).get(name) == split:
                return folder
        except DataError:  # another layout
            continue
    return None


def _grid(run: Run, val_set: CocoDataset, size: int) -> str:
    ceiling = grid_ceiling(val_set, grid_size=size, image_hw=run.card.image_hw)
    held = int(ceiling.kept.sum())
    return (
        f"{size}x{size} cells with one object each hold {held} of the {ceiling.truths} "
        "validation boxes"
    )


def _listed(settings: Mapping[str, Any]) -> str:
    """Settings that are on, in a row."""
    return ", ".join(
        f"{name} {_setting(value)}".strip()
        for name, value in settings.items()
        if value is not None and value is not False  # a zero is worth saying
    )


def _setting(value: Any) -> str:
    """A value in few words; a switch that is on needs none."""
    if value is True:
        return ""
    if isinstance(value, tuple):
        return "/".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _augmentation(config: ResolvedConfig) -> str:
    settings = config.augment.model_dump(exclude={"min_visibility"})
    if not settings["mosaic"]:
        del settings["close_mosaic"]
    return _listed({name: value for name, value in settings.items() if value}) or "none"


def _length(run: Run) -> str:
    train, count = run.config.train, len(run.epochs)
    seconds = float(run.epochs[-1]["seconds"]) if run.epochs else 0.0
    text = f"{count} epoch{'' if count == 1 else 's'} in {clock_text(seconds)}"
    if train.time_budget is not None:
        return f"{text} of a budget of {clock_text(train.time_budget)}"
    if count < train.epochs:
        return f"{text}, stopped early: {train.early_stopping} validations without a better AP"
    return text


def device_text(device: torch.device, world_size: int) -> str:
    """What a run trains on, in words."""
    threads = torch.get_num_threads()
    name = f"{device.type}, {threads} thread{'' if threads == 1 else 's'}"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return name if world_size == 1 else f"{name}, {world_size} processes"


def _versions() -> str:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return f"yolokit {__version__}, Python {platform.python_version()}, {libraries}"
