"""Figures of contestants that took turns, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypeAlias

Row: TypeAlias = dict[str, float]


def ratio_table(
    rounds: Sequence[Mapping[str, Row]], columns: Mapping[str, str], *, by: str, digits: int
) -> str:
    """Each contestant's medians over the rounds, and one figure beside the first contestant's.

    Args:
        rounds: at least one, of the same contestants; the ratio is taken within a round.
        columns: figures to show, and their titles; a figure that a contestant lacks is a dash.
        by: the figure whose ratio is shown.
        digits: of the medians, after the point.

    Returns:
        Aligned lines: medians, the ratio's median, and its lowest and highest in a round.
    """
    names = list(rounds[0])
    lines = [["", *columns.values(), "ratio", "from", "to"]]
    for name in names:
        cells = [_cell([each[name] for each in rounds], figure, digits) for figure in columns]
        ratios = [each[name][by] / each[names[0]][by] for each in rounds]
        spread = [f"{value:.2f}" for value in (median(ratios), min(ratios), max(ratios))]
        lines.append([name, *cells, *spread])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )


def _cell(rows: Sequence[Row], figure: str, digits: int) -> str:
    return f"{median(row[figure] for row in rows):.{digits}f}" if figure in rows[0] else "-"
