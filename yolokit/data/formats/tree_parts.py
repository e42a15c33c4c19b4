"""Labels of any format, picture by picture, to a `CocoTree`.

Ids are numbered from 1: some tools of the field take category 0 for the background and
annotation 0 for no match.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_faults import geometry_faults
from yolokit.data.coco_tree import CocoTree, Problem
from yolokit.data.fault_list import FaultList
from yolokit.data.plain_values import plain_name
from yolokit.plain_text import tamed

_Number = TypeVar("_Number", np.int64, np.float64)
DECIMALS = 9  # of a pixel that are kept: what is written with fewer comes back to the last bit
_NO_BOX = (np.nan,) * 4


@dataclass(slots=True)
class Label:
    """One object of one picture.

    Args:
        category: row of the class table; -1 for none of them.
        box_xywh: original pixels; None where there is none.
        line: of the label file, from 1.
        problem: why it cannot be used, where that is known already.
        crowd: a group, or what is to be ignored.
    """

    category: int
    box_xywh: tuple[float, float, float, float] | None
    line: int
    problem: Problem = Problem.NONE
    crowd: bool = False


@dataclass(slots=True)
class TreeParts:
    """Gathers what a `CocoTree` is made of.

    Args:
        where: what to call the set in a message.
        classes: number of each class in the format -> its name, in the order of the labels.
        faults: those that are found on the way.
    """

    where: str
    classes: Mapping[int, object]
    faults: FaultList
    _names: list[str] = field(default_factory=list)
    _files: list[str] = field(default_factory=list)
    _sizes: list[tuple[int, int]] = field(default_factory=list)
    _owners: array[int] = field(default_factory=lambda: array("q"))
    # category, line, problem and crowd of each label, one after the other
    _columns: array[int] = field(default_factory=lambda: array("q"))
    _boxes: array[float] = field(default_factory=lambda: array("d"))

    def add(
        self, name: str, size_hw: tuple[int, int], label_file: str, labels: list[Label]
    ) -> None:
        """One picture more.

        Args:
            name: of its file, relative to the picture folder.
            size_hw: pixels; 0 where the picture cannot be read.
            label_file: what to call the file of its labels.
            labels: its objects, in file order.
        """
        index = len(self._names)
        sound_name, sound = plain_name(name)
        if not sound:
            self.faults.add(
                "file-name", "error", "pictures have a name that is no plain text",
                "Rename them.", sound_name,
            )  # fmt: skip
        self._names.append(sound_name)
        self._files.append(label_file)
        self._sizes.append(size_hw)
        for each in labels:
            self._owners.append(index)
            self._columns.extend((each.category, each.line, each.problem, each.crowd))
            self._boxes.extend(each.box_xywh or _NO_BOX)

    def tree(self) -> CocoTree:
        """All of it, with the faults that were found and those that the boxes show."""
        if not self._names:
            self.faults.add("no-images", "error", "holds no pictures", "Check its paths.")
        names = [self._class_name(number, name) for number, name in self.classes.items()]
        if not names:
            self.faults.add("no-categories", "error", "names no classes", "List them.")
        category, line, problem, crowd = _array(self._columns, np.int64).reshape(-1, 4).T
        boxes = np.round(_array(self._boxes, np.float64).reshape(-1, 4), DECIMALS)
        problems = problem.astype(np.int8)
        problems[(category < 0) & (problem == Problem.NONE)] = Problem.UNKNOWN_CATEGORY
        count, kinds = len(boxes), len(names)
        tree = CocoTree(
            where=self.where,
            image_ids=tuple(range(1, len(self._names) + 1)),
            file_names=tuple(self._names),
            sizes_hw=np.array(self._sizes, dtype=np.int64).reshape(-1, 2),
            category_ids=tuple(number + 1 for number in self.classes),
            category_names=tuple(names),
            category_parents=("",) * kinds,
            image_index=_array(self._owners, np.int64),
            category_index=category.copy(),
            boxes_xywh=boxes,
            areas=np.round(boxes[:, 2] * boxes[:, 3], DECIMALS),
            crowd=crowd.astype(np.bool_),
            turned=np.zeros(count, dtype=np.bool_),
            problems=problems,
            annotation_ids=np.arange(1, count + 1),
            label_files=tuple(self._files),
            lines=line.copy(),
        )
        return tree.with_faults([*self.faults.listed(), *geometry_faults(tree)])

    def _class_name(self, number: int, value: object) -> str:
        name, sound = plain_name(value)
        if not sound:
            self.faults.add(
                "category-name", "error", "classes have no usable name",
                "Name each in plain text; in YAML put yes, no, on, off and null in quotes.",
                f"class {number}",
            )  # fmt: skip
        return tamed(name) if sound else f"class {number}"


def _array(values: array[int] | array[float], kind: type[_Number]) -> NDArray[_Number]:
    return np.array(values, dtype=kind)
