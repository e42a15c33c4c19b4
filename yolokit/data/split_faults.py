"""All that is wrong with one split's annotations, judged by what the split is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CASES_KEPT, Fault, Level, Problem
from yolokit.errors import DataError

_CODES = {problem: problem.name.lower().replace("_", "-") for problem in Problem}
_SCORED = "They are left out of training, and scored as missed, as pycocotools does."
_UNSCORED = "They are left out of training and scoring."


def split_faults(name: str, dataset: CocoDataset, *, max_bad_boxes: float) -> list[Fault]:
    """The faults of the file, of its boxes, and of what there is to learn or to score.

    Args:
        name: ``train``, ``val`` or ``test``.
        dataset: the split, made with ``CocoDataset.of``.
        max_bad_boxes: the fraction of bad boxes above which training refuses a split.
    """
    return [
        *dataset.tree.faults,
        *_bad_boxes(dataset, max_bad_boxes),
        *_nothing_there(name, dataset),
        *_repeated_boxes(dataset),
        *(_unused_classes(dataset) if name == "train" else ()),
    ]


def require_sound(name: str, faults: Iterable[Fault]) -> list[str]:
    """Refuse a split with an error among its faults.

    Returns:
        A line for each warning.

    Raises:
        DataError: every error, in one line.
    """
    faults = list(faults)
    if errors := [fault.line for fault in faults if fault.level == "error"]:
        raise DataError(f"{name}: {' '.join(errors)}")
    return [f"warning: {name}: {each.line}" for each in faults if each.level == "warning"]


def objects_to_find(dataset: CocoDataset) -> int:
    """Annotations that AP is counted over: scorable, and no crowds."""
    return int((dataset.tree.scorable & ~dataset.tree.crowd).sum())


def _bad_boxes(dataset: CocoDataset, limit: float) -> Iterator[Fault]:
    tree, total = dataset.tree, len(dataset.tree)
    bad = int(np.count_nonzero(dataset.problems))
    level: Level = "error" if bad > limit * total else "warning"
    for problem in Problem:
        rows = np.flatnonzero(dataset.problems == problem)
        if problem is Problem.NONE or not rows.size:
            continue
        first = rows[:CASES_KEPT].tolist()
        advice = _SCORED if problem > Problem.NOT_FINITE else _UNSCORED
        if level == "error":
            advice = (
                f"{bad} of {total} annotations are bad, more than the {limit:.0%} allowed: repair "
                "them, or raise data.max_bad_boxes."
            )
        yield Fault(
            code=_CODES[problem],
            level=level,
            count=len(rows),
            summary=f"{len(rows)} of {total} annotations cannot be learnt from: {problem.reason}",
            cases=tuple(map(tree.case, first)),
            advice=advice,
        )


def _nothing_there(name: str, dataset: CocoDataset) -> Iterator[Fault]:
    crowds, boxes = int(dataset.crowd.sum()), len(dataset.boxes)
    if name == "train" and boxes == crowds:
        what = f"all {boxes} boxes are crowds (iscrowd 1)" if boxes else "no boxes that can be used"
        advice = "Nothing can be learnt: " + (
            "set iscrowd to 0 where an annotation is of one object."
            if boxes
            else "annotate some objects."
        )
        yield Fault("nothing-to-learn", "error", max(boxes, 1), what, (), advice)
    elif name != "train" and not objects_to_find(dataset):
        what = f"all {boxes} boxes are crowds (iscrowd 1)" if boxes else "no boxes"
        advice = "Nothing can be scored, and training keeps its latest model instead of the best."
        yield Fault("nothing-to-score", "warning", max(boxes, 1), what, (), advice)


def _repeated_boxes(dataset: CocoDataset) -> Iterator[Fault]:
    owner, tree = dataset.box_owners, dataset.tree
    keys = np.column_stack([dataset.boxes, dataset.labels, owner]).astype(np.float64)
    order = np.lexsort(keys.T)  # by picture first; stable, so file order within equal ones
    ordered = keys[order]
    equal = (ordered[1:] == ordered[:-1]).all(axis=1)
    again = np.sort(order[1:][equal])
    if again.size:
        rows = dataset.annotation_rows[again[:CASES_KEPT]].tolist()
        yield Fault(
            "repeated-box",
            "note",
            len(again),
            f"{len(again)} boxes annotated more than once",
            tuple(map(tree.case, rows)),
            "One of each is enough.",
        )


def _unused_classes(dataset: CocoDataset) -> Iterator[Fault]:
    counts = np.bincount(dataset.labels[~dataset.crowd], minlength=len(dataset.class_names))
    unused = tuple(dataset.class_names[label] for label in np.flatnonzero(counts == 0))
    if unused:
        summary = f"{len(unused)} classes without a box to learn from"
        advice = "The model will never detect them."
        yield Fault("unused-class", "note", len(unused), summary, unused, advice)
