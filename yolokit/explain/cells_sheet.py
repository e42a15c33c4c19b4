"""The grids over a picture, with the cells that found something, or that answer for a truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from yolokit.drawing import class_colour
from yolokit.explain.canvas import Canvas, layout
from yolokit.explain.cells import (
    AnsweringCell,
    Cell,
    CellsAnswering,
    CellsFound,
    Grid,
)
from yolokit.explain.seen import Seen
from yolokit.explain.sheet import Figure, Sheet, Table
from yolokit.ops.letterbox import boxes_to_input

_CELL_HEAD = ("cell of px", "row", "column", "its box")
_FILLED = 0.6
_NAMED = 6  # boxes of a figure: of more, the numbers alone can be read
_FOUND_LEAD = (
    "The network lays a grid over its input ({input}), and every cell proposes {boxes}. "
    "A filled cell is the one that a found box comes from; box and cell have one colour and one "
    "number. {rivals}"
)
_SUPPRESSED = (
    "Several cells may have proposed the same object: suppression (NMS) has kept the best."
)
_ONE_TO_ONE = (
    "The head is one-to-one: it has learnt to propose each object from one cell, and nothing is "
    "suppressed."
)
_TRUTH_LEAD = (
    "In training each object is given cells that answer for it: they are to predict its box and "
    "class, all other cells are to find nothing. A cell is the more filled the higher the score "
    "that it should have. The loss of this picture is {total:.3f} = {terms}; {rest:.3f} of it are "
    "paid for boxes that answer for nothing."
)


def found_sheet(seen: Seen, found: CellsFound, names: Sequence[str]) -> Sheet:
    """Each detection and its cell, level by level."""
    figures = []
    for level, grid in enumerate(found.grids):
        here = [(n, box) for n, box in enumerate(found.boxes, 1) if box.cell.level == level]
        canvas = _grid_canvas(seen, grid, len(found.grids))
        for number, box in here:
            canvas.fill(rectangle(grid, box.cell), class_colour(number - 1), _FILLED)
        corners = np.array([box.box for _, box in here], dtype=np.float32).reshape(-1, 4)
        drawn = canvas.outlined(
            boxes_to_input(corners, seen.letterbox),
            [_tag(number, names[box.label], len(here)) for number, box in here],
            [class_colour(number - 1) for number, _ in here],
        )
        count = f"{len(here)} of {len(found.boxes)} found boxes" if found.boxes else "nothing found"
        figures.append(Figure(drawn, f"{_words(grid)}: {count}"))
    height, width = seen.prepared.shape[:2]
    boxes = max(grid.boxes_per_cell for grid in found.grids)
    rivals = _ONE_TO_ONE if seen.decoded.one_to_one else _SUPPRESSED
    return Sheet(
        title="Which cell found what",
        lead=_FOUND_LEAD.format(
            input=f"{width}x{height} px",
            boxes="one box" if boxes == 1 else f"{boxes} boxes",
            rivals=rivals,
        ),
        figures=figures,
        columns=layout(seen, len(figures))[0],
        tables=[
            Table(
                "Boxes",
                ("box", "class", "score", *_CELL_HEAD),
                [
                    [
                        str(n),
                        names[box.label],
                        f"{box.score:.3f}",
                        *_cell_words(found.grids, box.cell),
                    ]
                    for n, box in enumerate(found.boxes, 1)
                ],
            )
        ],
        numbers=found.to_dict(),
    )


def answering_sheet(seen: Seen, answering: CellsAnswering, names: Sequence[str]) -> Sheet:
    """Each truth and the cells that answer for it, level by level."""
    figures = []
    corners = np.array([truth.box for truth in answering.truths], dtype=np.float32)
    boxes = boxes_to_input(corners.reshape(-1, 4), seen.letterbox)
    for level, grid in enumerate(answering.grids):
        canvas = _grid_canvas(seen, grid, len(answering.grids))
        counts = []
        for number, truth in enumerate(answering.truths):
            here = [each for each in truth.cells if each.cell.level == level]
            counts.append(len(here))
            for each in here:
                alpha = 0.15 + 0.7 * each.wanted
                canvas.fill(rectangle(grid, each.cell), class_colour(number), alpha)
        shown = [number for number, count in enumerate(counts) if count]
        drawn = canvas.outlined(
            boxes[shown],
            [
                _tag(number + 1, names[answering.truths[number].label], len(shown))
                for number in shown
            ],
            [class_colour(number) for number in shown],
        )
        figures.append(Figure(drawn, f"{_words(grid)}: {_answers(sum(counts), len(shown))}"))
    terms = " + ".join(f"{value:.3f} {name}" for name, value in answering.loss.items())
    return Sheet(
        title="Which cell answers for which object",
        lead=_TRUTH_LEAD.format(
            total=sum(answering.loss.values()),
            terms=terms,
            rest=sum(answering.of_no_truth.values()),
        ),
        figures=figures,
        columns=layout(seen, len(figures))[0],
        tables=[_objects_table(answering, names), _cells_table(answering, names)],
        numbers=answering.to_dict(),
    )


def _answers(cells: int, objects: int) -> str:
    if not objects:
        return "none of them answers for anything"
    return f"{cells} of them answer for {objects} object{'s' if objects > 1 else ''}"


def _tag(number: int, name: str, among: int) -> str:
    """A box's number, and its class where there is room."""
    return f"{number} {name}" if among <= _NAMED else str(number)


def _objects_table(answering: CellsAnswering, names: Sequence[str]) -> Table:
    """An object a row: its best cell, and what all its cells pay."""
    rows = []
    for number, truth in enumerate(answering.truths, 1):
        start = [str(number), names[truth.label], str(len(truth.cells))]
        sums = [sum(each.loss[name] for each in truth.cells) for name in answering.loss]
        best = _quality(truth.cells[0]) if truth.cells else ["-"] * 3
        rows.append([*start, *best, *_numbers(sums)])
    rest, total = answering.of_no_truth.values(), answering.loss.values()
    rows.append(["", "all other boxes", "", "", "", "", *_numbers(rest)])
    rows.append(["", "sum: the loss", "", "", "", "", *_numbers(total)])
    head = ("object", "class", "cells", "wanted", "score", "IoU", *answering.loss)
    return Table("Objects, with their best cell", head, rows)


def _cells_table(answering: CellsAnswering, names: Sequence[str]) -> Table:
    """A row for each cell that answers."""
    rows = [
        [
            *(str(number), names[truth.label], *_cell_words(answering.grids, each.cell)),
            *(*_quality(each), *_numbers(each.loss[name] for name in answering.loss)),
        ]
        for number, truth in enumerate(answering.truths, 1)
        for each in truth.cells
    ]
    head = ("object", "class", *_CELL_HEAD, "wanted", "score", "IoU", *answering.loss)
    return Table("Every answering cell", head, rows)


def _quality(each: AnsweringCell) -> list[str]:
    return [f"{value:.2f}" for value in (each.wanted, each.score, each.iou)]


def _numbers(values: Iterable[float]) -> list[str]:
    return [f"{value:.4f}" for value in values]


def _cell_words(grids: Sequence[Grid], cell: Cell) -> list[str]:
    grid = grids[cell.level]
    which = f"{cell.predictor + 1} of {grid.boxes_per_cell}"
    return [_stride(grid), str(cell.row), str(cell.col), which]


def _stride(grid: Grid) -> str:
    high, wide = grid.stride_hw
    return f"{wide:.4g}" if high == wide else f"{wide:.4g}x{high:.4g}"


def _words(grid: Grid) -> str:
    return f"{grid.cols}x{grid.rows} cells of {_stride(grid)} px"


def rectangle(grid: Grid, cell: Cell) -> tuple[float, float, float, float]:
    """A cell as x1, y1, x2, y2 in input pixels."""
    high, wide = grid.stride_hw
    return cell.col * wide, cell.row * high, (cell.col + 1) * wide, (cell.row + 1) * high


def _grid_canvas(seen: Seen, grid: Grid, figures: int) -> Canvas:
    canvas = Canvas.of(seen, layout(seen, figures)[1])
    canvas.grid(grid.stride_hw, (grid.rows, grid.cols))
    return canvas
