"""How heads were written before each had a section of its own, for files that are kept.

Once a configuration had one flat ``model`` section with every head's keys, and ``loss`` beside it.
Model files of that time are read as they are; a configuration is refused with the new spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yolokit.heads.family import HEADS, config_class

# What is called otherwise today: in ``model``, and in ``loss``.
_MODEL = {"head_variant": "variant", "head_channels": "channels", "head_dropout": "dropout"}
_LOSS = {"coord": "box", "obj": "object", "noobj": "no_object", "score": "classes"}


def nest_head(model: Mapping[str, Any]) -> dict[str, Any]:
    """A ``model`` section with its head's keys in ``model.head``; today's is returned as it is.

    Args:
        model: as a model file has it; a flat one also holds the keys of other heads, which fall.
    """
    name = model.get("head", HEADS[0])
    if name not in HEADS:
        return dict(model)
    own = config_class(name).model_fields
    renamed = {_MODEL.get(key, key): value for key, value in model.items()}
    head = {key: value for key, value in renamed.items() if key in own}
    rest = {key: value for key, value in model.items() if key == "backbone"}
    return {"head": {**head, "type": name}, **rest}


def todays_spellings(tree: Mapping[str, Any]) -> dict[str, str]:
    """Keys of a configuration that have moved -> where to.

    Args:
        tree: as read from YAML, not yet checked.
    """
    model, loss = (tree.get(name) for name in ("model", "loss"))
    fields = [config_class(name).model_fields for name in HEADS]
    known = {key for each in fields for key in each}
    moved = {}
    for key in model if isinstance(model, Mapping) else ():
        if (today := _MODEL.get(key, key)) in known and key not in {"type", "loss"}:
            moved[f"model.{key}"] = f"model.head.{today}"
    for key in loss if isinstance(loss, Mapping) else ():
        moved[f"loss.{key}"] = f"model.head.loss.{_LOSS.get(key, key)}"
    return moved
