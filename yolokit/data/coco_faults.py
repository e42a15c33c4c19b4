"""Faults of boxes and classes that a tree as a whole shows, whatever format it came from.

Shape legend: A annotations, F those with a finite box of a listed image.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CASES_KEPT, CocoTree, Fault, Level, Problem

_MOST = 0.9  # of the boxes: from there on it is how the file is written, not a slip
_SOME = 0.1
_FAR = 0.1  # of the picture's side: more than a slip of the annotator's hand
_FAR_PIXELS = 2.0
_LARGEST_AREA = 1e10  # square pixels; pycocotools' largest object
_LEAST_FILLED, _MOST_FILLED = 0.01, 1.5  # of its box, that an object may fill
_FEW = 5  # boxes that may look like anything by chance


class _Placed(NamedTuple):
    """Boxes with a picture of known size: rows [F], boxes [F, 4] xywh, sides [F, 2] width, height.

    ``beyond`` [F] is how far each reaches over the edge, pixels.
    """

    rows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    sides: NDArray[np.float64]
    beyond: NDArray[np.float64]


def geometry_faults(tree: CocoTree) -> Iterator[Fault]:
    """What the boxes of a file tell about how they were written."""
    placed = _placed(tree)
    if _looks_normalised(placed):
        yield _fault(
            tree, "normalised", "error", placed.rows,
            "boxes lie within one pixel and look like fractions of the picture",
            "Multiply x and width by the picture's width, y and height by its height: COCO boxes "
            "are in pixels.",
        )  # fmt: skip
    elif (far := _far_over(placed)).any():
        farthest = f"reach over the edge of their picture, by up to {placed.beyond.max():.0f} px"
        if _looks_like_corners(placed, far):
            yield _fault(
                tree, "corners", "error", placed.rows[far],
                f"of {len(placed.rows)} boxes {farthest}, and all would lie inside as "
                "[x1, y1, x2, y2]",
                "COCO boxes are [x, y, width, height]: subtract x1 from x2 and y1 from y2.",
            )  # fmt: skip
        else:
            centred = _looks_like_centres(placed)
            yield _fault(
                tree, "over-edge", "warning", placed.rows[far],
                f"of {len(placed.rows)} boxes {farthest}"
                + (", and all would lie inside as [x_centre, y_centre, width, height]" * centred),
                "They are cut to it for training and scored uncut; check how the boxes and the "
                "pictures' sizes were written.",
            )  # fmt: skip
    turned = np.flatnonzero(tree.turned & tree.scorable)
    if turned.size:
        yield _fault(
            tree, "turned", "warning", turned,
            "boxes are turned by attributes.rotation, so that bbox is not their extent",
            "Export them as polygons, or draw them upright.",
        )  # fmt: skip
    yield from _odd_areas(tree)
    yield from _repeated_files(tree)
    yield from _repeated_ids(tree)
    yield from _repeated_names(tree)


@np.errstate(over="ignore")  # of boxes beyond all pictures
def geometry_problems(tree: CocoTree, sizes_hw: NDArray[np.int64]) -> NDArray[np.int8]:
    """[A] of ``Problem``: what reading found, and boxes without an area inside their picture.

    Args:
        tree: the file.
        sizes_hw: [I, 2] of its pictures, none 0.
    """
    problems: NDArray[np.int8] = tree.problems.copy()
    rows = np.flatnonzero(tree.scorable)
    boxes = tree.boxes_xywh[rows]
    x1, y1, x2, y2 = clipped_corners(boxes, sizes_hw[tree.image_index[rows]])
    thin = (x2.astype(np.float32) <= x1.astype(np.float32)) | (
        y2.astype(np.float32) <= y1.astype(np.float32)
    )  # thinner than float32 can tell
    found = np.select(
        [
            (boxes[:, 2:] < 0).any(axis=1),
            (boxes[:, 2:] == 0).any(axis=1),
            (x2 <= x1) | (y2 <= y1),
            thin,
        ],
        [Problem.NEGATIVE_SIZE, Problem.ZERO_AREA, Problem.OUTSIDE, Problem.ZERO_AREA],
        Problem.NONE,
    )
    problems[rows] = found.astype(np.int8)
    return problems


@np.errstate(over="ignore")
def clipped_corners(
    boxes_xywh: NDArray[np.float64], sizes_hw: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[4, N] x1, y1, x2, y2 cut to pictures of ``sizes_hw`` [N, 2]."""
    height, width = sizes_hw.astype(np.float64).T
    x, y, w, h = boxes_xywh.T
    return np.stack(
        [
            np.clip(x, 0, width),
            np.clip(y, 0, height),
            np.clip(x + w, 0, width),
            np.clip(y + h, 0, height),
        ]
    )


@np.errstate(over="ignore")
def _placed(tree: CocoTree) -> _Placed:
    rows = np.flatnonzero(tree.scorable)
    sizes_hw = tree.sizes_hw[tree.image_index[rows]]
    known = (sizes_hw > 0).all(axis=1) & (tree.boxes_xywh[rows, 2:] > 0).all(axis=1)
    rows, sides = rows[known], sizes_hw[known][:, ::-1].astype(np.float64)
    boxes = tree.boxes_xywh[rows]
    over = np.maximum(-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sides)
    return _Placed(rows, boxes, sides, over.max(axis=1, initial=0.0))


@np.errstate(over="ignore")
def _looks_normalised(placed: _Placed) -> bool:
    if not len(placed.rows):
        return False
    within = (placed.boxes[:, :2] + placed.boxes[:, 2:] <= 1.001).all(axis=1)
    within &= (placed.boxes >= 0).all(axis=1) & (placed.sides > 4).all(axis=1)
    return bool(within.mean() >= _MOST)


def _far_over(placed: _Placed) -> NDArray[np.bool_]:
    limit = np.maximum(_FAR_PIXELS, _FAR * placed.sides.min(axis=1, initial=np.inf))
    far: NDArray[np.bool_] = placed.beyond > limit
    return far


def _looks_like_corners(placed: _Placed, far: NDArray[np.bool_]) -> bool:
    if len(placed.rows) < _FEW or far.mean() < _SOME:
        return False
    first, second = placed.boxes[:, :2], placed.boxes[:, 2:]
    return bool(((second > first) & (first >= 0) & (second <= placed.sides + 1)).all())


def _looks_like_centres(placed: _Placed) -> bool:
    if len(placed.rows) < _FEW:
        return False
    half = placed.boxes[:, 2:] / 2
    within = (placed.boxes[:, :2] >= half - 1) & (placed.boxes[:, :2] + half <= placed.sides + 1)
    return bool(within.all())


def _odd_areas(tree: CocoTree) -> Iterator[Fault]:
    """Areas by which COCO sorts objects into small, medium and large."""
    areas = tree.areas
    left_out = np.flatnonzero(tree.scorable & ((areas < 0) | (areas > _LARGEST_AREA)))
    if left_out.size:
        yield _fault(
            tree, "area-ignored", "warning", left_out,
            f"annotations state an area below 0 or above {_LARGEST_AREA:g}",
            "COCO's evaluation leaves them out, so they are learnt but not scored: correct their "
            "area, or remove it for width times height.",
        )  # fmt: skip
    with np.errstate(over="ignore"):  # of boxes beyond all pictures
        extents = tree.boxes_xywh[:, 2] * tree.boxes_xywh[:, 3]
    stated = tree.scorable & (areas >= 0) & (areas <= _LARGEST_AREA) & (extents > 0)
    far = stated & ((areas < _LEAST_FILLED * extents) | (areas > _MOST_FILLED * extents))
    if far.sum() >= max(_FEW, _MOST * stated.sum()):
        yield _fault(
            tree, "area-misfit", "warning", np.flatnonzero(far),
            f"of {stated.sum()} annotations state an area that does not fit their box",
            "APs, APm and APl go by it: write square pixels, or remove it for width times height.",
        )  # fmt: skip


def _repeated_files(tree: CocoTree) -> Iterator[Fault]:
    """Pictures that are listed under several ids: the objects of one are background in another."""
    first: dict[str, int] = {}
    again = []
    for index, name in enumerate(tree.file_names):
        if name and first.setdefault(posixpath.normpath(name), index) != index:
            again.append(f"image {tree.image_ids[index]} ({name})")
    if again:
        yield Fault(
            "repeated-file",
            "warning",
            len(again),
            f"{len(again)} images have the file_name of another",
            tuple(again[:CASES_KEPT]),
            "What is annotated under one id is background under the other: give each picture one "
            "image entry with all its annotations.",
        )


def _repeated_ids(tree: CocoTree) -> Iterator[Fault]:
    order = np.argsort(tree.annotation_ids, kind="stable")
    ordered = tree.annotation_ids[order]
    again = np.sort(order[1:][ordered[1:] == ordered[:-1]])
    if tree.odd_ids:
        again = np.array([row for row in again.tolist() if row not in tree.odd_ids], np.int64)
    if again.size:
        yield _fault(
            tree, "repeated-annotation-id", "note", again,
            "annotations have the id of another",
            "They are used all the same; other tools keep one of each.",
        )  # fmt: skip


def _repeated_names(tree: CocoTree) -> Iterator[Fault]:
    """Categories of one name: an unused one is left out, two in use cannot be told apart."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(tree.category_names):
        places.setdefault(name, []).append(index)
    for name, indices in places.items():
        if len(indices) < 2:
            continue
        ids = [tree.category_ids[index] for index in indices]
        used = int(tree.category_used[indices].sum())
        cases = tuple(f"category {each} ({name!r})" for each in ids)
        if used > 1:
            summary = f"{len(ids)} categories are named {name!r}, and {used} have annotations"
            advice = "Rename one, or give the annotations of both one category."
            yield Fault("repeated-name", "error", len(ids), summary, cases, advice)
        else:
            summary = f"{len(ids)} categories are named {name!r}, at most one has annotations"
            advice = "The others are left out."
            yield Fault("unused-namesake", "note", len(ids), summary, cases, advice)


def _fault(
    tree: CocoTree,
    code: str,
    level: Level,
    rows: NDArray[np.int64],
    what: str,
    advice: str,
) -> Fault:
    cases = tuple(map(tree.case, rows[:CASES_KEPT].tolist()))
    return Fault(code, level, len(rows), f"{len(rows)} {what}", cases, advice)
