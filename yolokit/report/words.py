"""How a report says a number."""

from __future__ import annotations

import math


def count(of: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{of} {one if of == 1 else many or one + 's'}"


def number(value: float) -> str:
    """A score to three places; a dash where it is undefined."""
    return f"{value:.3f}" if math.isfinite(value) else "-"


def share(part: int, total: int) -> str:
    """A part in percent; a dash of nothing."""
    return f"{part / total:.0%}" if total else "-"


def unbroken(words: str) -> str:
    """Words that stay on one line."""
    return words.replace(" ", "\u00a0")
