"""Who gets which cell, where a cell serves one box only."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

_EQUAL = 1e-5  # overlaps closer than this are the same
_NO_CELL = 1e-3  # the worth of going without; a pair's is its overlap plus more than all overlaps


def match_boxes_to_cells(
    boxes: NDArray[np.int64], cells: NDArray[np.int64], overlaps: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """Give as many boxes as possible a cell of their own, and together the best overlap.

    Args:
        boxes: [M] in 0..T-1, whose cell a pair offers.
        cells: [M] the cell offered; no pair comes twice.
        overlaps: [M] 0..1, what the box reaches there.
        count: T.

    Returns:
        [T] index of the pair that each box gets, -1 where none is left.
    """
    order = np.lexsort((cells, -overlaps, boxes))  # a box's pairs together, the best first
    starts = np.searchsorted(boxes[order], np.arange(count + 1))
    # With T boxes, the T best cells of each are enough: the others can take T - 1 of them.
    offers = [order[start : min(start + count, end)] for start, end in _ranges(starts)]
    chosen = _everybodys_best(offers, cells, overlaps)
    return _optimum(offers, cells, overlaps) if chosen is None else chosen


def _ranges(starts: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))


def _everybodys_best(
    offers: list[NDArray[np.int64]], cells: NDArray[np.int64], overlaps: NDArray[np.float32]
) -> NDArray[np.int64] | None:
    """One of its best cells for every box, those with few of them first; None if that fails."""
    best = [pairs[overlaps[pairs] >= overlaps[pairs].max(initial=0) - _EQUAL] for pairs in offers]
    chosen = np.full(len(offers), -1, dtype=np.int64)
    taken: set[int] = set()
    for box in sorted(range(len(offers)), key=lambda each: len(best[each])):
        free = next((pair for pair in best[box].tolist() if int(cells[pair]) not in taken), None)
        if free is None:
            return None
        chosen[box] = free
        taken.add(int(cells[free]))
    return chosen


def _optimum(
    offers: list[NDArray[np.int64]], cells: NDArray[np.int64], overlaps: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The heaviest full matching, in which every box may also take a place of its own: no cell."""
    count = len(offers)
    pairs = np.concatenate(offers)
    rows = np.repeat(np.arange(count), [len(each) for each in offers])
    used, columns = np.unique(cells[pairs], return_inverse=True)
    own = np.arange(count)
    worth = np.concatenate([count + 1.0 + overlaps[pairs], np.full(count, _NO_CELL)])
    where = np.concatenate([rows, own]), np.concatenate([columns, len(used) + own])
    graph = scipy.sparse.csr_array((worth, where), shape=(count, len(used) + count))
    boxes, taken = min_weight_full_bipartite_matching(graph, maximize=True)
    pair_of = {(row, column): pair for row, column, pair in zip(rows, columns, pairs, strict=True)}
    chosen = np.full(count, -1, dtype=np.int64)
    for box, column in zip(boxes.tolist(), taken.tolist(), strict=True):
        chosen[box] = pair_of.get((box, column), -1)
    return chosen
