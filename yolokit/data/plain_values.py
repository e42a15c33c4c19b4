"""One notion of an id, a name, a length and a flag, however annotation tools write them."""

from __future__ import annotations

import unicodedata
from typing import Any

from yolokit.types import ImageId

_LONGEST_NAME = 1024  # characters; file systems allow 255 for a file
_LARGEST_SIDE = 2**24  # pixels
_TRUE = (1, "1", "true", "True")
_FALSE = (0, None, "0", "false", "False", "")
_INT64 = 2**63


def plain_id(value: Any, *, whole: bool = False) -> ImageId | None:
    """An id as an integer or text; None where the value can be none.

    Integers of any length and text are ids as they stand, 3.0 is 3; true, null, lists and
    fractions are none. Two ids are the same where they are written the same: 3, 3.0 and "3".

    Args:
        value: as the file has it.
        whole: only an integer of 64 bits will do; text is one where it is written in digits.
    """
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        return None
    if isinstance(value, str):
        if "\x00" in value or not _encodable(value):
            return None
        if not whole:
            return value
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            return None
        value = int(value)
    return value if not whole or -_INT64 <= value < _INT64 else None


def plain_name(value: Any) -> tuple[str, bool]:
    """A name as text fit for files and screens, and whether it was so: numbers are names too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        return "", False
    sound = "\x00" not in value and len(value) <= _LONGEST_NAME and _encodable(value)
    if not sound:
        value = value[:_LONGEST_NAME].encode("utf-8", "replace").decode().replace("\x00", "?")
    return value, sound


def plain_side(value: Any) -> int:
    """A width or height in pixels; 0 where the value is none."""
    found = plain_id(value, whole=True)
    return int(found) if found is not None and 1 <= int(found) <= _LARGEST_SIDE else 0


def plain_flag(value: Any) -> bool:
    """Whether a flag is set: 1, true, "1" and "true" are, everything else is not."""
    return value in _TRUE


def is_flag(value: Any) -> bool:
    """Whether a value says yes or no at all; none is no."""
    return value in _FALSE or value in _TRUE


def spoken(name: str) -> str:
    """A class name as people compare it: white space around it and how accents are coded, as one
    character or two, make no other name."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _encodable(text: str) -> bool:
    """Whether there is no half of a surrogate pair in it."""
    return not any("\ud800" <= char <= "\udfff" for char in text) if not text.isascii() else True
