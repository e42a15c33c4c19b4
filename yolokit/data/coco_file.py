"""Read a COCO annotation file strictly: every fault is named by the id that carries it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import DataError

_SHOWN = 5  # examples in a one-line message


class BadBox(NamedTuple):
    """A box that was dropped, by the id of its annotation."""

    annotation_id: int
    image_id: int
    reason: str


class ClassTable(NamedTuple):
    """Which category id and name each label stands for."""

    category_ids: tuple[int, ...]
    class_names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        names: Mapping[int, str],
        category_ids: Sequence[int] | None,
        class_names: Sequence[str] | None,
        where: str,
    ) -> ClassTable:
        """The file's own table, ids ascending, or the given one with the names checked."""
        if category_ids is None:
            ids = tuple(sorted(names))
            return cls(ids, tuple(names[each] for each in ids))
        ids = tuple(category_ids)
        if class_names is None:
            return cls(ids, tuple(names.get(each, f"category {each}") for each in ids))
        for each, name in zip(ids, class_names, strict=True):
            if names.get(each, name) != name:
                raise DataError(
                    f"category {each} is {names[each]!r} in {where} but {name!r} in the classes "
                    "it must match. Use the category table that the model was trained with"
                )
        return cls(ids, tuple(class_names))


class Pictures(NamedTuple):
    """The file's pictures: ids [I], file_names [I], sizes_hw [I, 2]."""

    ids: NDArray[np.int64]
    file_names: NDArray[np.str_]
    sizes_hw: NDArray[np.int64]


class Annotations(NamedTuple):
    """Kept annotations as parallel lists of plain numbers, and the bad ones."""

    image_index: list[int]
    boxes: list[tuple[float, float, float, float]]
    labels: list[int]
    crowd: list[bool]
    annotation_ids: list[int]
    bad: list[BadBox]

    def by_picture(self, image_count: int) -> dict[str, Any]:
        """The kept annotations as arrays, grouped by picture, file order within each."""
        index = np.array(self.image_index, dtype=np.int64)
        order = np.argsort(index, kind="stable")  # stable: file order within a picture
        counts = np.bincount(index, minlength=image_count)
        arrays: dict[str, Any] = {
            "box_offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            "boxes": np.array(self.boxes, dtype=np.float32).reshape(-1, 4)[order],
            "labels": np.array(self.labels, dtype=np.int64)[order],
            "crowd": np.array(self.crowd, dtype=np.bool_)[order],
            "annotation_ids": np.array(self.annotation_ids, dtype=np.int64)[order],
        }
        for array in arrays.values():
            array.flags.writeable = False
        return arrays


def read_tree(path: Path) -> dict[str, list[Any]]:
    """The three lists of a COCO file, each entry an object."""
    try:
        tree = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"no annotation file at {path}. Check data.*.annotations") from error
    except OSError as error:
        raise DataError(f"cannot read annotations {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8
        raise DataError(f"annotations {path} are not valid JSON: {error}") from error
    if not isinstance(tree, dict):
        raise DataError(f"{path} is not a COCO annotation file: expected an object at the top")
    for key in ("images", "annotations", "categories"):
        if not isinstance(tree.get(key), list):
            raise DataError(f"{path} is not a COCO annotation file: no list {key!r}")
        for position, entry in enumerate(tree[key]):
            if not isinstance(entry, dict):
                raise DataError(f"{key}[{position}] in {path} is not an object")
    for key in ("images", "categories"):
        if not tree[key]:
            raise DataError(f"{path} lists no {key}")
    return tree


def read_categories(entries: list[Any], where: str) -> dict[int, str]:
    """Category names by id."""
    names: dict[int, str] = {}
    for position, entry in enumerate(entries):
        category_id = _integer(entry, "id", f"categories[{position}]", where)
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise DataError(f"category {category_id} in {where} has no name")
        if category_id in names or name in names.values():
            raise DataError(f"category {category_id} ({name!r}) in {where} is listed twice")
        names[category_id] = name
    return names


def read_images(entries: list[Any], where: str) -> Pictures:
    """The listed pictures, ids unique, sizes positive."""
    ids, file_names, sizes = [], [], []
    for position, entry in enumerate(entries):
        image_id = _integer(entry, "id", f"images[{position}]", where)
        owner = f"image {image_id}"
        file_name = entry.get("file_name")
        if not isinstance(file_name, str) or not file_name:
            raise DataError(f"{owner} in {where} has no file_name")
        size = (_integer(entry, "height", owner, where), _integer(entry, "width", owner, where))
        if min(size) < 1:
            raise DataError(f"{owner} in {where} has height {size[0]} and width {size[1]}")
        ids.append(image_id)
        file_names.append(file_name)
        sizes.append(size)
    unique, counts = np.unique(np.array(ids, dtype=np.int64), return_counts=True)
    if (repeated := unique[counts > 1]).size:
        raise DataError(f"image id {some(repeated.tolist())} in {where} is used more than once")
    return Pictures(
        np.array(ids, dtype=np.int64), np.array(file_names), np.array(sizes, dtype=np.int64)
    )


def read_annotations(
    entries: list[Any], pictures: Pictures, names: Mapping[int, str], table: ClassTable, where: str
) -> Annotations:
    """Annotations with their boxes clipped to the picture; bad boxes set aside."""
    index_of_image = {image_id: index for index, image_id in enumerate(pictures.ids.tolist())}
    label_of_category = {each: label for label, each in enumerate(table.category_ids)}
    sizes_hw = pictures.sizes_hw.tolist()
    rows = Annotations([], [], [], [], [], [])
    for position, entry in enumerate(entries):
        annotation_id = _integer(entry, "id", f"annotations[{position}]", where)
        owner = f"annotation {annotation_id}"
        image_id = _integer(entry, "image_id", owner, where)
        category_id = _integer(entry, "category_id", owner, where)
        if image_id not in index_of_image:
            raise DataError(f"{owner} in {where} belongs to unknown image {image_id}")
        if category_id not in names:
            raise DataError(f"{owner} in {where} has unknown category {category_id}")
        if category_id not in label_of_category:
            raise DataError(
                f"category {category_id} ({names[category_id]!r}) in {where} is none of the "
                f"classes it must match: {some(table.class_names)}"
            )
        if "bbox" not in entry:
            raise DataError(f"{owner} in {where} has no bbox")
        index = index_of_image[image_id]
        box = _clipped_xyxy(entry["bbox"], sizes_hw[index])
        if isinstance(box, str):
            rows.bad.append(BadBox(annotation_id, image_id, box))
            continue
        rows.image_index.append(index)
        rows.boxes.append(box)
        rows.labels.append(label_of_category[category_id])
        rows.crowd.append(entry.get("iscrowd") in (1, True))
        rows.annotation_ids.append(annotation_id)
    return rows


def _clipped_xyxy(
    bbox_xywh: Any, size_hw: Sequence[int]
) -> tuple[float, float, float, float] | str:
    """The part of a box inside its picture, or the reason why there is none."""
    numbers = bbox_xywh if isinstance(bbox_xywh, list) else []
    if len(numbers) != 4 or not all(type(each) in (int, float) for each in numbers):
        return "not four numbers"
    try:
        x, y, width, height = (float(each) for each in numbers)
    except OverflowError:
        return "not finite"
    if not all(map(math.isfinite, (x, y, width, height))):
        return "not finite"
    if width < 0 or height < 0:
        return "negative size"
    if width == 0 or height == 0:
        return "zero area"
    x1, x2 = (min(max(each, 0.0), float(size_hw[1])) for each in (x, x + width))
    y1, y2 = (min(max(each, 0.0), float(size_hw[0])) for each in (y, y + height))
    if x2 <= x1 or y2 <= y1:
        return "outside the picture"
    if np.float32(x2) <= np.float32(x1) or np.float32(y2) <= np.float32(y1):
        return "zero area"  # thinner than float32 can tell
    return x1, y1, x2, y2


def _integer(entry: Mapping[str, Any], key: str, owner: str, where: str) -> int:
    value = entry.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        problem = f"has no {key}" if key not in entry else f"has {key} {value!r}, not an integer"
        raise DataError(f"{owner} in {where} {problem}")
    return value


def some(values: Iterable[object]) -> str:
    """The first few values in words, and how many more there are."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
