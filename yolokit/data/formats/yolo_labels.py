"""One YOLO label file: a line for each object, its numbers fractions of the picture's sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from yolokit.data.coco_tree import Problem
from yolokit.data.formats.picture_files import is_file
from yolokit.data.formats.tree_parts import Label

_BOX_COLUMNS = 5  # class, x and y of the centre, width, height
_PIXELS_FROM = 2.0  # a fraction above it was meant as pixels


class Read(NamedTuple):
    """A label file's objects, and what was met in it.

    Args:
        labels: one for each line that is not blank.
        outlines: lines that were polygons or turned boxes.
        poses: lines with keypoints.
        pixels: lines with a number that is no fraction.
    """

    labels: list[Label]
    outlines: int
    poses: int
    pixels: int


def label_path(picture: Path) -> Path:
    """Where a picture's labels are: the last folder ``images`` of its path is ``labels``."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return _text_beside(Path(*parts))


def _text_beside(picture: Path) -> Path:
    return picture.parent / f"{picture.stem}.txt"


def label_file(picture: Path) -> Path:
    """The same, or beside the picture where only that is there."""
    path, beside = label_path(picture), _text_beside(picture)
    return beside if not is_file(path) and is_file(beside) else path


def read_labels(
    text: str, size_hw: tuple[int, int], classes: Mapping[int, int], *, keypoints: int = 0
) -> Read:
    """The objects of a label file.

    Args:
        text: its content.
        size_hw: the upright picture's, pixels; 0 where it is not known, and then the boxes stay
            fractions.
        classes: class number -> row of the class table.
        keypoints: numbers that follow each box.
    """
    height, width = (max(1, side) for side in size_hw)
    labels: list[Label] = []
    outlines = poses = pixels = 0
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        values = _numbers(words)
        if values is None:
            labels.append(Label(-1, None, number, Problem.NOT_FOUR_NUMBERS))
            continue
        category = classes.get(int(values[0]), -1) if values[0].is_integer() else -1
        posed = keypoints > 0 and len(values) == _BOX_COLUMNS + keypoints
        box = values[1:5] if posed else _box(values[1:])
        poses += posed
        outlines += not posed and box is not None and len(values) > _BOX_COLUMNS
        if box is None or not all(map(math.isfinite, values)):
            problem = Problem.NOT_FOUR_NUMBERS if box is None else Problem.NOT_FINITE
            labels.append(Label(category, None, number, problem))
            continue
        pixels += max(box) > _PIXELS_FROM
        x, y, w, h = box
        corner = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
        labels.append(Label(category, corner, number))
    return Read(labels, outlines, poses, pixels)


def _numbers(words: list[str]) -> list[float] | None:
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    return values if math.isfinite(values[0]) else None


def _box(values: list[float]) -> list[float] | None:
    """Centre and size: of a box as they stand, of three points and more, those of their extent."""
    if len(values) == _BOX_COLUMNS - 1:
        return values
    if len(values) < 6 or len(values) % 2:
        return None
    xs, ys = values[0::2], values[1::2]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
