"""Beginning a training with the weights of a trained model, as far as they fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.models.model_file import load_model

_PARTS = ("backbone", "neck", "head")
_SHOWN = 10  # class names


def build_from(
    path: Path, config: ModelConfig, class_names: Sequence[str], image_hw: tuple[int, int]
) -> tuple[Detector, str]:
    """A detector as configured, with a trained model's weights wherever the same part has them.

    Args:
        path: of the model file.
        config: the ``model`` section; where its backbone is the model's, that one's weights are
            taken and the configured ones are not read.
        class_names: of labels 0..C-1; a class's own weights are those of the same name.
        image_hw: the network input's (height, width) in pixels.

    Returns:
        The detector, and one line: what was taken, what is new.

    Raises:
        ConfigError: as ``build_detector``.
        WeightsError: no model of ours, or nothing of it fits.
    """
    old, card = load_model(path)
    parts = {"backbone", "neck", "head"}
    if config.backbone.name == card.model.backbone.name:
        backbone = config.backbone.model_copy(update={"weights": "none"})
        config = config.model_copy(update={"backbone": backbone})
    else:
        parts -= {"backbone"}
    if config.head.type != card.model.head.type:
        parts -= {"neck", "head"}
    detector = build_detector(config, num_classes=len(class_names), image_hw=image_hw)
    if "backbone" in parts:
        detector.normalise_by(card.mean, card.std)
    taken = _take(detector, old, parts, class_names, card.class_names)
    if not taken.total():
        raise WeightsError(
            f"nothing in {path} fits this config: it is {card.model.head.type} on "
            f"{card.model.backbone.name}. Leave CONFIG out to train its own architecture"
        )
    return detector, _sentence(path, detector, taken, class_names, card.class_names)


@torch.no_grad()
def _take(
    detector: Detector,
    old: Detector,
    parts: set[str],
    names: Sequence[str],
    old_names: Sequence[str],
) -> Counter[str]:
    """Copy what fits, in place; how many tensors of each part."""
    found: Mapping[str, Tensor] = old.state_dict()
    class_rows: dict[str, int] = getattr(detector.head, "class_rows", dict)()
    taken: Counter[str] = Counter()
    for key, value in detector.state_dict().items():
        part, _, name = key.partition(".")
        if part not in parts or key not in found:
            continue
        if part == "head" and name in class_rows:
            fits = _take_rows(value, found[key], class_rows[name], names, old_names)
        elif fits := value.shape == found[key].shape:
            value.copy_(found[key])
        taken[part] += fits
    return taken


def _take_rows(
    value: Tensor, old: Tensor, rows: int, names: Sequence[str], old_names: Sequence[str]
) -> bool:
    """Copy the rows of classes by their names, and those behind them that are nobody's."""
    mine, theirs = rows * len(names), rows * len(old_names)
    if value[mine:].shape != old[theirs:].shape:
        return False
    value[mine:] = old[theirs:]
    for label, name in enumerate(names):
        if name in old_names:
            first = rows * list(old_names).index(name)
            value[rows * label : rows * (label + 1)] = old[first : first + rows]
    return True


def _sentence(
    path: Path,
    detector: Detector,
    taken: Counter[str],
    names: Sequence[str],
    old_names: Sequence[str],
) -> str:
    whole = Counter(key.partition(".")[0] for key in detector.state_dict())
    words = []
    for part in _PARTS:
        if not whole[part]:
            continue
        share = "" if taken[part] == whole[part] else f" ({taken[part]} of {whole[part]} tensors)"
        words.append(f"{part}{share}" if taken[part] else f"nothing of the {part}")
    known = [name for name in names if name in old_names] if taken["head"] else []
    new = [name for name in names if name not in known]
    classes = [f"classes {_listed(known)}"] if known else []
    classes += [f"new classes {_listed(new)}"] if new else []
    return f"from    {path}: {', '.join(words)}; {'; '.join(classes)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
