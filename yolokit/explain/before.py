"""What can be said of an explanation before torch is imported."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.classes import ClassTable
from yolokit.data.coco import CocoDataset, ImageTruth
from yolokit.data.locate import locate_splits
from yolokit.errors import ConfigError, DataError, WeightsError
from yolokit.files import free_file
from yolokit.models.card import ModelCard
from yolokit.models.export_record import exported_file
from yolokit.models.model_path import MODEL_NAME, card_of
from yolokit.models.torchvision_name import torchvision_name

SUFFIXES = (".png", ".html")
_SHOWN = 20  # classes that a message lists
EXPORTED = (
    f"is an exported model, into which nobody can look. Give the {MODEL_NAME} it was made from"
)
TORCHVISIONS = (
    f"is torchvision's own detector, which has no grid to explain. Give the {MODEL_NAME} of a run"
)


def require_explainable(model: Path) -> ModelCard:
    """The card of a model that can be looked into.

    Raises:
        WeightsError: an exported one, torchvision's, or no model of ours.
    """
    if exported_file(model) is not None:
        raise WeightsError(f"{model} {EXPORTED}")
    if torchvision_name(model) is not None:
        raise WeightsError(f"{model} {TORCHVISIONS}")
    return card_of(model)


def target_for(out: Path | None, default: str, json_file: Path | None = None) -> Path:
    """Where an explanation is to be written.

    Args:
        out: as asked for; None for a free name in the working directory.
        default: that name.
        json_file: where the numbers go, if to a file.

    Raises:
        DataError: something lies there already, it is neither .png nor .html, or it is the file of
            the numbers.
    """
    if out is None:
        return free_file(Path(default))
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"{out} is neither a .png nor a .html file. Give one of the two")
    if out.exists():
        raise DataError(f"{out} is there already. Give another name, or remove it first")
    if out == json_file:
        raise DataError(f"{out} cannot hold the picture and the JSON both. Give two names")
    return out


def truth_of(picture: Path, data: Path, card: ModelCard) -> ImageTruth:
    """The labels of a picture in a data set, as training has them: without crowds.

    Raises:
        DataError: no such data, classes of another kind, or no such picture in it.
    """
    classes = ClassTable(tuple(card.category_ids), tuple(card.class_names))
    wanted = picture.resolve()
    for split in locate_splits(data).values():
        dataset = CocoDataset.load(split, max_bad_boxes=1.0, classes=classes)
        paths = dataset.image_paths
        names = [index for index, path in enumerate(paths) if path.name == wanted.name]
        found = next((index for index in names if paths[index].resolve() == wanted), None)
        if found is not None:
            boxes, labels, crowd = dataset.truth(found)
            return ImageTruth(boxes[~crowd], labels[~crowd], crowd[~crowd])
    raise DataError(f"{picture} is no picture of {data}. Give one that is labelled there")


def label_of(name: str, class_names: Sequence[str]) -> int:
    """The label of a class by its name.

    Raises:
        ConfigError: the model knows no such class.
    """
    if name in class_names:
        return list(class_names).index(name)
    near = difflib.get_close_matches(name, class_names, n=3)
    shown = ", ".join(near or class_names[:_SHOWN])
    more = len(class_names) - _SHOWN
    rest = f" and {more} more" if more > 0 and not near else ""
    told = "Nearest:" if near else "It knows"
    raise ConfigError(f"the model knows no class {name!r}. {told} {shown}{rest}")


def box_from_xywh(text: str) -> NDArray[np.float32]:
    """A box [4] xyxy of ``x,y,w,h`` in pixels.

    Raises:
        ConfigError: not four numbers, or no area.
    """
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"a box is x,y,w,h in pixels, got {text!r}") from None
    if not (np.isfinite([x, y, w, h]).all() and w > 0 and h > 0):
        raise ConfigError(f"a box is x,y,w,h in pixels, w and h above 0, got {text!r}")
    return np.array([x, y, x + w, y + h], dtype=np.float32)
