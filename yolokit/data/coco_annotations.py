"""The annotation list of a COCO file, column by column, some thousand entries at a time.

Columns of plain numbers, the rule, are converted whole; only odd values are looked at singly.
Shape legend: n entries of one piece, A of the whole list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CASES_KEPT, Problem
from yolokit.data.fault_list import FaultList
from yolokit.data.plain_values import is_flag, plain_flag, plain_id
from yolokit.data.segmentation import segmentation_extent
from yolokit.types import ImageId

_HALF_TURN = 180  # degrees, after which a rectangle lies as before
_FIELDS = ("annotation_ids", "boxes_xywh", "areas", "crowd", "turned", "problems")


class _Codes(dict[Any, int]):
    """A number for each value, in the order in which they are first met."""

    def __missing__(self, value: Any) -> int:
        self[value] = code = len(self)
        return code


class AnnotationColumns:
    """Takes entries in file order and gives the columns of a `CocoTree`."""

    def __init__(self, faults: FaultList) -> None:
        self._faults = faults
        self._parts: dict[str, list[NDArray[Any]]] = {
            name: [] for name in (*_FIELDS, "image", "category")
        }
        self._codes = {"image": _Codes(), "category": _Codes()}
        self._odd_ids: dict[int, ImageId] = {}
        self._derived: list[int] = []
        self._strange: dict[int, ImageId] = {}
        self._count = 0

    def add(self, entries: list[Any]) -> None:
        """Some annotations more."""
        problems = np.zeros(len(entries), dtype=np.int8)
        if set(map(type, entries)) - {dict}:
            odd = [n for n, entry in enumerate(entries) if not isinstance(entry, Mapping)]
            problems[odd] = Problem.NOT_OBJECT
            entries = [entry if isinstance(entry, Mapping) else {} for entry in entries]
        boxes, box_problems = self._boxes(entries)
        problems = np.where(problems == Problem.NONE, box_problems, problems)
        found = {
            "annotation_ids": self._ids([entry.get("id") for entry in entries]),
            "boxes_xywh": boxes,
            "areas": _numbers([entry.get("area") for entry in entries]),
            "crowd": self._crowds(entries),
            "turned": np.array([_is_turned(entry.get("attributes")) for entry in entries], bool),
            "problems": problems,
            "image": _coded(self._codes["image"], [entry.get("image_id") for entry in entries]),
            "category": _coded(
                self._codes["category"], [entry.get("category_id") for entry in entries]
            ),
        }
        for name, part in found.items():
            self._parts[name].append(part)
        self._count += len(entries)

    def resolved(
        self,
        image_rows: Mapping[str, int],
        category_rows: Mapping[str, int],
        sizes_hw: NDArray[np.int64],
    ) -> dict[str, Any]:
        """The columns, with rows of the two tables in place of ids."""
        columns: dict[str, Any] = {name: self._column(name) for name in _FIELDS}
        columns["image_index"] = self._rows("image", image_rows)
        columns["strange_images"] = self._strange
        columns["category_index"] = self._rows("category", category_rows)
        problems = columns["problems"]
        for index, problem in (
            ("image_index", Problem.UNKNOWN_IMAGE),
            ("category_index", Problem.UNKNOWN_CATEGORY),
        ):
            unknown = (columns[index] < 0) & (problems != Problem.NOT_OBJECT)
            unknown &= problems != Problem.UNKNOWN_IMAGE
            problems[unknown] = problem
        if self._derived:
            for row in self._derived:
                self._faults.add(
                    "box-from-mask", "note", "annotations have no bbox but a segmentation",
                    "Their boxes are its extent.", f"annotation {self._name(columns, row)}",
                )  # fmt: skip
        columns["odd_ids"] = self._odd_ids
        return columns

    def _name(self, columns: Mapping[str, Any], row: int) -> ImageId:
        return self._odd_ids.get(row, int(columns["annotation_ids"][row]))

    def _column(self, name: str) -> NDArray[Any]:
        empties: dict[str, NDArray[Any]] = {
            "annotation_ids": np.zeros(0, np.int64),
            "boxes_xywh": np.zeros((0, 4)),
            "areas": np.zeros(0),
            "problems": np.zeros(0, np.int8),
        }
        parts = self._parts.pop(name)
        return np.concatenate(parts) if parts else empties.get(name, np.zeros(0, np.bool_))

    def _rows(self, name: str, rows: Mapping[str, int]) -> NDArray[np.int64]:
        codes = self._codes[name]
        table = np.full(len(codes), -1, dtype=np.int64)
        for value, code in codes.items():
            found = plain_id(value, whole=name == "category")
            if found is not None:
                table[code] = rows.get(str(found), -1)
        parts = self._parts.pop(name)
        if not parts:
            return np.zeros(0, dtype=np.int64)
        found_codes = np.concatenate(parts)
        found_rows: NDArray[np.int64] = table[found_codes]
        if name == "image":
            values = list(codes)
            for row in np.flatnonzero(found_rows < 0)[:CASES_KEPT].tolist():
                if (strange := plain_id(values[found_codes[row]])) is not None:
                    self._strange[row] = strange
        return found_rows

    def _ids(self, values: list[Any]) -> NDArray[np.int64]:
        if set(map(type, values)) <= {int}:
            try:
                return np.array(values, dtype=np.int64)
            except OverflowError:  # longer than 64 bits
                pass
        ids = np.zeros(len(values), dtype=np.int64)
        for row, value in enumerate(values):
            found = plain_id(value)
            if isinstance(found, int) and -(2**63) <= found < 2**63:
                ids[row] = found
            elif found is not None:
                self._odd_ids[self._count + row] = found
            else:
                place = f"[{self._count + row}]"
                self._odd_ids[self._count + row] = place
                self._faults.add(
                    "annotation-id", "warning", "annotations have no usable id",
                    "They are used all the same; other tools refuse them.", f"annotations{place}",
                )  # fmt: skip
        return ids

    def _crowds(self, entries: list[Any]) -> NDArray[np.bool_]:
        flags = [entry.get("iscrowd") for entry in entries]
        crowd = np.array([plain_flag(flag) for flag in flags], dtype=np.bool_)
        for row, (flag, entry) in enumerate(zip(flags, entries, strict=True)):
            if not is_flag(flag):
                self._faults.add(
                    "odd-crowd", "warning", "annotations have an iscrowd that is neither 0 nor 1",
                    "They are learnt and scored as single objects; write 1 for a crowd, else 0.",
                    f"annotations[{self._count + row}]",
                )  # fmt: skip
            elif not crowd[row] and plain_flag(entry.get("ignore")):
                self._faults.add(
                    "ignored", "warning", "annotations are marked `ignore`, no word of COCO's",
                    "They are learnt and scored as objects; set iscrowd to 1 to leave them out.",
                    f"annotations[{self._count + row}]",
                )  # fmt: skip
        return crowd

    def _boxes(self, entries: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        values = [entry.get("bbox") for entry in entries]
        if set(map(type, values)) == {list} and set(map(len, values)) == {4}:
            flat = list(chain.from_iterable(values))
            if set(map(type, flat)) <= {int, float}:
                try:
                    boxes = np.array(flat, dtype=np.float64).reshape(-1, 4)
                except OverflowError:  # an integer beyond all floats
                    pass
                else:
                    infinite = ~np.isfinite(boxes).all(axis=1)
                    boxes[infinite] = np.nan
                    return boxes, np.where(infinite, Problem.NOT_FINITE, 0).astype(np.int8)
        boxes = np.full((len(values), 4), np.nan)
        problems = np.zeros(len(values), dtype=np.int8)
        for row, value in enumerate(values):
            found = _box(value)
            if isinstance(found, Problem) and not value:
                extent = segmentation_extent(entries[row].get("segmentation"))
                if extent is not None:
                    self._derived.append(self._count + row)
                    found = extent
            if isinstance(found, Problem):
                problems[row] = found
            else:
                boxes[row] = found
        return boxes, problems


def _box(value: Any) -> tuple[float, ...] | Problem:
    if value is None:
        return Problem.NO_BOX
    if not isinstance(value, list | tuple) or len(value) != 4:
        return Problem.NOT_FOUR_NUMBERS
    if not all(isinstance(each, int | float | np.number) for each in value) or any(
        isinstance(each, bool) for each in value
    ):
        return Problem.NOT_FOUR_NUMBERS
    try:
        box = tuple(float(each) for each in value)
    except OverflowError:
        return Problem.NOT_FINITE
    return box if all(map(math.isfinite, box)) else Problem.NOT_FINITE


def _coded(codes: _Codes, values: list[Any]) -> NDArray[np.int32]:
    if set(map(type, values)) - {int, str}:
        values = [plain_id(value) for value in values]
    return np.fromiter(map(codes.__getitem__, values), dtype=np.int32, count=len(values))


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    if set(map(type, values)) <= {int, float}:
        try:
            numbers = np.array(values, dtype=np.float64)
            numbers[~np.isfinite(numbers)] = np.nan
            return numbers
        except OverflowError:
            pass
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    """A finite number, or NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return math.nan
    try:
        found = float(value)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _is_turned(attributes: Any) -> bool:
    """CVAT writes the box before it was turned, and the angle in degrees beside it."""
    if not isinstance(attributes, dict):
        return False
    angle = _number(attributes.get("rotation"))
    return not math.isnan(angle) and angle % _HALF_TURN != 0
