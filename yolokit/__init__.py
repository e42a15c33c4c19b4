"""Turn a pretrained image classifier into a YOLO detector, trained on your own COCO-format data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from yolokit._version import __version__

if TYPE_CHECKING:
    from yolokit.api import train
    from yolokit.inference.predictor import Predictor
    from yolokit.model import Model, load
    from yolokit.scoring import evaluate

__all__ = ["Model", "Predictor", "__version__", "evaluate", "load", "train"]

_HOMES = {
    "Model": "yolokit.model",
    "Predictor": "yolokit.inference.predictor",
    "evaluate": "yolokit.scoring",
    "load": "yolokit.model",
    "train": "yolokit.api",
}


def __getattr__(name: str) -> Any:  # PEP 562: `import yolokit` alone imports no torch
    if name not in _HOMES:
        raise AttributeError(f"module 'yolokit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
