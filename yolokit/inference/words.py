"""Detections and models in words, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolokit.models.card import ModelCard
from yolokit.plain_text import tamed

if TYPE_CHECKING:
    from yolokit.inference.predictor import Predictor

_SHOWN = 20  # classes that are named


def counted(labels: NDArray[np.int64], class_names: Sequence[str]) -> str:
    """How many of what: ``3 fish, 1 shark``, the most first; ``nothing`` for none.

    Args:
        labels: [N] in 0..C-1.
        class_names: C names.
    """
    return listed_counts(Counter(labels.tolist()), class_names)


def listed_counts(counts: Mapping[int, int], class_names: Sequence[str]) -> str:
    """As ``counted``, of label -> how many."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count} {class_names[label]}" for label, count in ordered) or "nothing"


def model_facts(model: Predictor, path: Path | None) -> list[tuple[str, str]]:
    """What a model is, in names and words: kind, input, classes, scores, what runs it, its file.

    Args:
        model: loaded.
        path: what it was loaded from; None where that is not known.
    """
    card, names = model.card, model.class_names
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    size = (
        "as large as the picture" if card.image_hw is None else "{1}x{0} px".format(*card.image_hw)
    )
    facts = [("model", _kind(model)), ("input", size), ("classes", f"{len(names)}: {shown}")]
    if isinstance(card, ModelCard) and card.metrics.get("AP") is not None:
        scores = (f"{name} {card.metrics[name]:.3f}" for name in ("AP", "AP50"))
        facts.append(("scored", f"{', '.join(scores)} on its validation pictures"))
    facts.append(("runs by", model.backend.description))
    if path is not None:
        facts.append(("file", str(path)))
    return [(name, tamed(what)) for name, what in facts]


def _kind(model: Predictor) -> str:
    """Head, backbone, and how many parameters where they can be counted."""
    card, network = model.card, getattr(model.backend, "detector", None)
    if not isinstance(card, ModelCard):
        return model.backend.description
    kind = f"{card.model.head.type} on {card.model.backbone.name}"
    if network is None:
        return kind
    count = sum(each.numel() for each in network.parameters())
    return f"{kind}, {count / 1e6:.3g} million parameters"
