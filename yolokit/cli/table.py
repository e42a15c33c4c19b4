"""Numbers as a table of text."""

from __future__ import annotations


def share(count: int, total: int) -> str:
    """A count with its percentage of the total, where there is one."""
    return f"{count} ({count / total:.0%})" if total else str(count)


def number(value: float | None) -> str:
    """A score to three places; a dash where it is undefined."""
    return "-" if value is None else f"{value:.3f}"


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
