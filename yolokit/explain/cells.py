"""Which cell of the grid answers for what: found boxes to their cells, and truths to theirs.

Every number comes from what trains and detects: boxes from ``decode``, who answers and the loss
from the head's criterion.

Shape legend: N boxes decoded, T truths of the picture.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.explain.seen import Seen
from yolokit.ops.iou import iou
from yolokit.ops.letterbox import boxes_to_input
from yolokit.types import Truth


@dataclass(frozen=True, slots=True)
class Grid:
    """One level's cells: rows and columns, input pixels of a cell, and boxes that each predicts."""

    rows: int
    cols: int
    stride_hw: tuple[float, float]
    boxes_per_cell: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a decoded box comes from: a level of ``grids``, a cell, and which of its boxes."""

    level: int
    row: int
    col: int
    predictor: int


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A detection and its cell.

    Args:
        box: x1, y1, x2, y2 in pixels of the picture.
        score: 0..1.
        label: of its class.
        cell: where it comes from.
    """

    box: tuple[float, ...]
    score: float
    label: int
    cell: Cell


@dataclass(frozen=True, slots=True)
class AnsweringCell:
    """A cell that answers for a truth.

    Args:
        cell: it.
        wanted: the score (or YOLOv1's confidence) that it should have.
        score: that it has for the truth's class.
        iou: of the box it predicts, with the truth.
        loss: name of a term -> its share of it, weighted as in training.
    """

    cell: Cell
    wanted: float
    score: float
    iou: float
    loss: dict[str, float]


@dataclass(frozen=True, slots=True)
class AnsweredTruth:
    """A truth and the cells that answer for it, best box first; without any, nobody learns it.

    Args:
        box: x1, y1, x2, y2 in pixels of the picture.
        label: of its class.
        cells: that answer.
    """

    box: tuple[float, ...]
    label: int
    cells: tuple[AnsweringCell, ...]


@dataclass(frozen=True, slots=True)
class CellsFound:
    """The boxes found in a picture, best first, and the grids they come from."""

    grids: tuple[Grid, ...]
    boxes: tuple[FoundBox, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CellsAnswering:
    """Who answers for the truths of a picture, and the loss.

    Args:
        grids: of the head.
        truths: in the order of the file.
        loss: name of a term -> what the criterion gives for this picture alone, the network as it
            detects (in evaluation mode).
        of_no_truth: name of a term -> the share of all boxes that answer for nothing, those of
            answering cells too.
    """

    grids: tuple[Grid, ...]
    truths: tuple[AnsweredTruth, ...]
    loss: dict[str, float]
    of_no_truth: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def cells_found(seen: Seen) -> CellsFound:
    """The cell of each box that was found."""
    found = seen.detections
    rows = zip(
        found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), seen.found, strict=True
    )
    boxes = (FoundBox(tuple(box), score, label, _cell(seen, at)) for box, score, label, at in rows)
    return CellsFound(_grids(seen), tuple(boxes))


def cells_answering(
    seen: Seen, boxes: NDArray[np.float32], labels: NDArray[np.int64]
) -> CellsAnswering:
    """The cells that answer for each truth of a picture, with their losses.

    Args:
        seen: the picture.
        boxes: [T, 4] xyxy original pixels.
        labels: [T] in 0..C-1.
    """
    truth = truth_in(seen, boxes, labels)
    answers = seen.family.answers(seen.outputs, truth)
    with torch.no_grad():
        terms = seen.family.criterion()(seen.outputs, [truth])
    decoded = torch.from_numpy(seen.decoded.boxes[0])
    overlaps = iou(truth.boxes.cpu()[:, None], decoded[None]).numpy()  # [T, N]
    nobody = answers.truths < 0
    truths = []
    for index, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
        places = np.flatnonzero(answers.truths == index)
        best_first = places[np.argsort(-overlaps[index, places], kind="stable")]
        cells = [
            AnsweringCell(
                cell=_cell(seen, place),
                wanted=float(answers.wanted[place]),
                score=float(seen.decoded.scores[0, place, label]),
                iou=float(overlaps[index, place]),
                loss={name: float(share[place]) for name, share in answers.terms.items()},
            )
            for place in best_first
        ]
        truths.append(AnsweredTruth(tuple(box), label, tuple(cells)))
    return CellsAnswering(
        grids=_grids(seen),
        truths=tuple(truths),
        loss={name: term.item() for name, term in terms.items()},
        of_no_truth={
            name: float(share[nobody].sum(dtype=np.float64))
            for name, share in answers.terms.items()
        },
    )


def truth_in(seen: Seen, boxes: NDArray[np.float32], labels: NDArray[np.int64]) -> Truth:
    """A picture's truths as training has them: boxes in the input's pixels."""
    device = seen.outputs[0].classes.device
    inside = torch.from_numpy(boxes_to_input(boxes, seen.letterbox).reshape(-1, 4))
    return Truth(inside.to(device), torch.from_numpy(labels.astype(np.int64)).to(device))


def _grids(seen: Seen) -> tuple[Grid, ...]:
    return tuple(
        Grid(rows, cols, output.stride_hw, per_cell)
        for output in seen.outputs
        for rows, cols, per_cell in [output.box_codes.shape[1:4]]
    )


def _cell(seen: Seen, place: int) -> Cell:
    return Cell(*(int(column[place]) for column in seen.places))
