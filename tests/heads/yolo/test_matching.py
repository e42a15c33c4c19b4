"""Boxes and cells: by hand, and against every way there is to share the cells out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from yolokit.heads.yolo.matching import match_boxes_to_cells

Pairs = list[tuple[int, int, float]]  # box, cell, overlap


def match(pairs: Pairs, count: int) -> dict[int, int]:
    """Box -> cell."""
    boxes, cells = (np.array([p[i] for p in pairs], dtype=np.int64) for i in (0, 1))
    overlaps = np.array([p[2] for p in pairs], dtype=np.float32)
    chosen = match_boxes_to_cells(boxes, cells, overlaps, count)
    assert chosen.shape == (count,)
    assert all(boxes[pair] == box for box, pair in enumerate(chosen) if pair >= 0)
    return {box: int(cells[pair]) for box, pair in enumerate(chosen) if pair >= 0}


def test_everybody_gets_the_best_where_nobody_minds() -> None:
    assert match([(0, 5, 0.9), (0, 6, 1.0), (1, 5, 1.0), (1, 6, 0.2)], 2) == {0: 6, 1: 5}


def test_a_worse_cell_is_taken_rather_than_none() -> None:
    # Both do best in cell 1; only box 0 can go elsewhere.
    assert match([(0, 1, 1.0), (0, 2, 0.1), (1, 1, 0.3)], 2) == {0: 2, 1: 1}


def test_the_overlap_decides_who_moves() -> None:
    # 1.0 + 0.5 is more than 0.9 + 0.4.
    assert match([(0, 1, 1.0), (0, 2, 0.4), (1, 1, 0.9), (1, 2, 0.5)], 2) == {0: 1, 1: 2}


def test_too_many_boxes_and_boxes_without_an_offer() -> None:
    assert match([(0, 1, 0.5), (1, 1, 0.6), (2, 1, 0.4)], 4) == {1: 1}
    assert match([], 2) == {}
    assert match([], 0) == {}


@pytest.mark.parametrize("seed", range(30))
def test_no_sharing_out_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, places = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    offered = rng.random((count, places)) < 0.5
    overlaps = np.round(rng.random((count, places)), 2)
    pairs = [(b, c, float(overlaps[b, c])) for b, c in zip(*offered.nonzero(), strict=True)]
    found = match(pairs, count)
    assert len(set(found.values())) == len(found)
    worth = len(found), sum(overlaps[b, c] for b, c in found.items())
    best = max(_worths(offered, overlaps))
    assert worth == (best[0], pytest.approx(best[1]))


def _worths(offered: np.ndarray, overlaps: np.ndarray) -> list[tuple[int, float]]:
    """Boxes served and their overlaps for every way; a place beyond the cells means none."""
    count, places = offered.shape
    worths = []
    for way in itertools.permutations(range(places + count), count):
        used = [(b, c) for b, c in enumerate(way) if c < places]
        if all(offered[b, c] for b, c in used):
            worths.append((len(used), float(sum(overlaps[b, c] for b, c in used))))
    return worths


def test_a_crowd_is_shared_out_in_no_time() -> None:
    rng = np.random.default_rng(0)
    count, each = 400, 1000  # every box may go to a thousand of two thousand cells
    cells = np.concatenate([rng.permutation(2000)[:each] for _ in range(count)])
    boxes = np.repeat(np.arange(count), each)
    overlaps = rng.random(len(boxes)).astype(np.float32)
    chosen = match_boxes_to_cells(boxes, cells, overlaps, count)
    assert (chosen >= 0).all() and len(set(cells[chosen].tolist())) == count
