"""Text for a terminal: of strangers, tamed; of tables, aligned."""

from __future__ import annotations

import re
import unicodedata

_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")  # of the writing direction
_TAMED = "\N{REPLACEMENT CHARACTER}"
_LOGIN = re.compile(r"(?<=://)[^/\s]+@")  # of an address: who logs in, and with what


def is_control(character: str) -> bool:
    """Whether a terminal might obey it: controls but for tab and line ends, halves of pairs,
    and what turns the direction of writing."""
    if character in "\t\n\r":
        return False
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs") or unicodedata.bidirectional(character) in _TURNS


def tamed(text: str) -> str:
    """The text with a replacement character for each that a terminal might obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_TAMED if is_control(each) else each for each in text)


def without_passwords(text: str) -> str:
    """The text with nobody's name and password in its addresses."""
    return _LOGIN.sub("", text)


def aligned(rows: list[list[str]]) -> str:
    """Rows as text: the first column to the left, others to the right; shorter rows as they are."""
    columns = max(map(len, rows))
    full = [row for row in rows if len(row) == columns]
    widths = [max(len(row[column]) for row in full) for column in range(columns)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        if len(row) == columns
        else " ".join(row)
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
