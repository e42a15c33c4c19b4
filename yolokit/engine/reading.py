"""A training's pictures and truth, read and checked before anything large is imported. No torch."""

from __future__ import annotations

import sys
from typing import TypeAlias

from yolokit.config import Config
from yolokit.data.check import check_images, require_good_images
from yolokit.data.coco import CocoDataset
from yolokit.data.split_faults import objects_to_find, require_sound, split_faults
from yolokit.engine.run_folder import is_first_process

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
