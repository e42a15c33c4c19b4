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
