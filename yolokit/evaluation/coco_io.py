"""Reading COCO truth and COCO results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yolokit.data.coco_file import read_tree
from yolokit.data.coco_json import read_text
from yolokit.data.coco_tree import CocoTree
from yolokit.data.read_split import read_split
from yolokit.errors import DataError
from yolokit.evaluation.tables import kind
from yolokit.sections import SplitConfig


def load_truth(path: Path, *, progress: Callable[[float], None] | None = None) -> CocoTree:
    """The COCO annotation file to score against.

    Raises:
        DataError: unreadable, not JSON, not COCO's layout, or ids that are not unique.
    """
    tree = read_tree(path, progress=progress)
    tree.require(for_scoring=True)
    return tree


def load_split(split: SplitConfig, *, progress: Callable[[float], None] | None = None) -> CocoTree:
    """A split's labels, of whatever format, to score against.

    Raises:
        DataError: see ``load_truth``.
    """
    tree = read_split(split, progress=progress)
    tree.require(for_scoring=True)
    return tree


def load_rows(path: Path) -> list[dict[str, Any]]:
    """A COCO results file: a JSON list of ``{image_id, category_id, bbox, score}``.

    Raises:
        DataError: unreadable, not JSON, or not a list.
    """
    try:
        rows = json.loads(read_text(path, "results file"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"results file {path} is not JSON: {error}. Is it complete?") from error
    if not isinstance(rows, list):
        raise DataError(
            f"results file {path} holds {kind(rows)}. "
            "Give a list of rows {image_id, category_id, bbox, score}"
        )
    return rows
