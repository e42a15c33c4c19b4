"""A training's pictures and truth, read and checked before anything large is imported. No torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

from yolokit.config import Config
from yolokit.data.check import check_images, require_good_images
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits, unread_note
from yolokit.data.split_faults import objects_to_find, require_sound, split_faults
from yolokit.data.split_names import WHOLE
from yolokit.data.unsplit import offered_split
from yolokit.engine.console import Console
from yolokit.engine.run_folder import is_first_process
from yolokit.errors import ConfigError, DataError
from yolokit.sections import DataConfig, SplitConfig

Sets: TypeAlias = tuple[CocoDataset, CocoDataset | None]


def read_sets(config: Config) -> Sets:
    """The training set, and the validation set where there is one with something to find.

    Warnings are printed, by the first process of several.

    Args:
        config: with a train split.

    Raises:
        DataError: an annotation file or a picture that cannot be used.
    """
    data = config.data
    assert data.train is not None
    train_set = CocoDataset.load(data.train, max_bad_boxes=data.max_bad_boxes)
    parts = {"train": train_set}
    if data.val is not None:
        parts["val"] = CocoDataset.load(
            data.val, max_bad_boxes=data.max_bad_boxes, classes=train_set.classes
        )
    for name, part in parts.items():
        faults = split_faults(name, part, max_bad_boxes=data.max_bad_boxes)
        warnings_of_part = require_sound(name, faults)
        require_good_images(check_images(part), part)
        if is_first_process():
            print("".join(f"{line}\n" for line in warnings_of_part), end="", file=sys.stderr)
    val_set = parts.get("val")
    # AP of nothing is undefined: without an object to find there is no best model to choose.
    return train_set, val_set if val_set is not None and objects_to_find(val_set) else None


def with_data(config: Config, data: str | Path | None) -> Config:
    """The config with absolute data paths, those of ``data`` where it is given.

    Raises:
        ConfigError: no train split.
        DataError: no data there, or a set that knows no splits.
    """
    splits: dict[str, SplitConfig | None] = {"train": None, "val": None, "test": None}
    if data is not None:
        found = locate_splits(data)
        if WHOLE in found:
            raise DataError(
                f"{data} is not split into train and val. Share it out: "
                f"{offered_split(found[WHOLE], Path(data))}"
            )
        splits.update(found)
    else:
        splits.update({name: getattr(config.data, name) for name in splits})
    if splits["train"] is None:
        where = f"{data} has no train split" if data is not None else "the config names no data"
        raise ConfigError(f"{where}. Give --data with a folder that holds training data")
    absolute = {name: split and _absolute(split) for name, split in splits.items()}
    data_config: DataConfig = config.data.model_copy(update=absolute)
    return config.model_copy(update={"data": data_config})


def offer_held_out_part(config: DataConfig, data: str | Path | None, console: Console) -> None:
    """Say what a training without a val split cannot know, and how to get one."""
    asked = config.val is None and config.train is not None
    if asked and is_first_process() and not console.silent:
        assert config.train is not None
        command = offered_split(config.train, None if data is None else Path(data))
        print(
            "note: there is no val split, so nothing chooses the best weights or says how good "
            f"they are. Hold a part out: {command}",
            file=sys.stderr,
        )


def tell_unread_files(data: str | Path | None, console: Console) -> None:
    """Say which annotation files of the data no split is made of."""
    note = unread_note(data) if data is not None else None
    if note and is_first_process() and not console.silent:
        print(f"note: {note}", file=sys.stderr)


def _absolute(split: SplitConfig) -> SplitConfig:
    paths = {"images": split.images.absolute(), "annotations": split.annotations.absolute()}
    return split.model_copy(update=paths)
