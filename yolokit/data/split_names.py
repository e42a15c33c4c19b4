"""Which split a file or folder is meant to be, by the names that people and tools give."""

from __future__ import annotations

import re

SPLITS = ("train", "val", "test")
WHOLE = "all"  # of a set that knows no splits
SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_of_name(name: str) -> str | None:
    """``train``, ``val`` or ``test`` where exactly one of them is a word of the name, else None."""
    words = re.findall(r"[a-z]+", name.casefold())
    found = {SPELLINGS[word] for word in words if word in SPELLINGS}
    return found.pop() if len(found) == 1 else None
