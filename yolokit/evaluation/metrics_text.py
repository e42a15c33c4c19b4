"""COCO's numbers as text for a terminal and a table for a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from yolokit.plain_text import aligned, tamed

if TYPE_CHECKING:
    from yolokit.evaluation.coco_map import CocoMetrics


def metrics_text(metrics: CocoMetrics) -> str:
    """AP per class, the twelve numbers, and who counted; ``-`` where there is no truth."""
    numbers = [f"{name:<5} {_number(value)}" for name, value in metrics.numbers.items()]
    lines = ["", "   ".join(numbers[:6]), "   ".join(numbers[6:]), metrics.evaluator]
    return "\n".join([class_table(metrics), *lines])


def class_table(metrics: CocoMetrics, most: int | None = None) -> str:
    """An aligned table of classes, by category id, and of all together.

    Args:
        metrics: what to show.
        most: so many classes, the rest in a sentence; None shows all.
    """
    rows = [[tamed(cell) for cell in row] for row in _rows(metrics)]
    (head, *classes, total), left_out = rows, 0
    if most is not None and len(classes) > most:
        left_out = len(classes) - most
    text = aligned([head, *classes[: len(classes) - left_out], total])
    return text + (f"\n{left_out} more classes are not shown" if left_out else "")


def metrics_html(metrics: CocoMetrics) -> str:
    """The table of classes for a notebook."""
    head, *rows = _rows(metrics)
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _rows(metrics: CocoMetrics) -> list[list[str]]:
    """Head, a row a class, and all."""
    rows = [["class", "boxes", "AP", "AP50"]]
    for name, scores in metrics.per_class.items():
        boxes = str(metrics.class_annotations[name])
        rows.append([name, boxes, _number(scores["AP"]), _number(scores["AP50"])])
    total = [f"all, {metrics.images} images", str(metrics.annotations)]
    return [*rows, [*total, _number(metrics.AP), _number(metrics.AP50)]]


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "    -"  # NaN: no truth of this kind
