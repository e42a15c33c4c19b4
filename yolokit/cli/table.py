"""Numbers as cells of a table."""

from __future__ import annotations


def share(count: int, total: int) -> str:
    """A count with its percentage of the total, where there is one."""
    return f"{count} ({count / total:.0%})" if total else str(count)


def number(value: float | None) -> str:
    """A score to three places; a dash where it is undefined."""
    return "-" if value is None else f"{value:.3f}"
