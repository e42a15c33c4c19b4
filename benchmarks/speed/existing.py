"""Paths of command lines that must be there."""

from __future__ import annotations

import argparse
from pathlib import Path


def existing(text: str) -> Path:
    """A path, for ``argparse``: a wrong one is wrong usage, not a traceback minutes later."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"no such file or folder: {text}")
    return path


def with_precision(text: str) -> tuple[str, str]:
    """``MODEL@bf16`` as model and precision, by default ``auto``; the model must be there, or be
    torchvision's by name."""
    model, mark, precision = text.rpartition("@")
    model, precision = (model, precision) if mark else (text, "auto")
    if not model.startswith("torchvision:"):
        existing(model)
    return model, precision
