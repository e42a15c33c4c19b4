"""The one reader of COCO: JSON, or plain values, to a `CocoTree` with every fault listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from yolokit.data.coco_annotations import AnnotationColumns
from yolokit.data.coco_faults import geometry_faults
from yolokit.data.coco_json import JsonWalk, read_text, require_json
from yolokit.data.coco_tree import CocoTree
from yolokit.data.fault_list import FaultList
from yolokit.data.plain_values import plain_id, plain_name, plain_side
from yolokit.errors import DataError
from yolokit.plain_text import tamed
from yolokit.types import ImageId

Progress = Callable[[float], None]  # told the share that is read, 0..1
_LISTS = ("images", "annotations", "categories")
_EXPORT_ANEW = "Export the annotations anew, or repair the file."


def read_tree(path: Path, *, progress: Progress | None = None) -> CocoTree:
    """Read a COCO annotation file and find all that is wrong with it. No picture is opened.

    Args:
        path: the JSON file.
        progress: is called with the share of the file that has been read.

    Raises:
        DataError: it cannot be read, is not JSON, or lacks one of COCO's three lists.
    """
    text = read_text(path)
    require_json(text, path)
    builder = _Builder(str(path))
    try:
        walk = JsonWalk(text)
        if walk.peek() != "{":
            walk.value()
            raise DataError(f"{path} is not a COCO annotation file: expected an object at the top")
        for key in walk.members():
            if key in _LISTS and walk.peek() == "[":
                builder.begin(key)
                for entries in walk.entries():
                    builder.add(key, entries)
                    if progress is not None:
                        progress(walk.at / len(text))
            else:
                walk.value()
        walk.end()
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"annotations {path} are not valid JSON: {error}. Is the file complete?"
        ) from error
    return builder.tree()


def tree_of(content: Mapping[str, Any], where: str = "the COCO truth") -> CocoTree:
    """The tree of a COCO file's content as plain values; it is not changed.

    Raises:
        DataError: one of COCO's three lists is missing.
    """
    builder = _Builder(where)
    for key in _LISTS:
        if isinstance(content.get(key), list):
            builder.begin(key)
            builder.add(key, content[key])
    return builder.tree()


class _Builder:
    """Takes the entries of the three lists in whatever order the file has them."""

    def __init__(self, where: str) -> None:
        self.where, self.faults = where, FaultList()
        self.seen: set[str] = set()

    def begin(self, key: str) -> None:
        """A list begins; where the file has two of a name, the later one counts."""
        if key in self.seen:
            self.faults.add(
                "repeated-list", "warning", f"has two lists {key!r}, of which the later one counts",
                "Join them.",
            )  # fmt: skip
        self.seen.add(key)
        if key == "images":
            self.images = _Images(self.faults)
        elif key == "categories":
            self.categories = _Categories(self.faults)
        else:
            self.annotations = AnnotationColumns(self.faults)

    def add(self, key: str, entries: list[Any]) -> None:
        """Some entries more."""
        part: Any = getattr(self, key)
        part.add(entries)

    def tree(self) -> CocoTree:
        """What was read, and all that is wrong with it."""
        for key in _LISTS:
            if key not in self.seen:
                raise DataError(f"{self.where} is not a COCO annotation file: no list {key!r}")
        images, categories = self.images, self.categories
        for key, part in (("images", images), ("categories", categories)):
            if not part.ids and not part.count:
                self.faults.add(f"no-{key}", "error", f"lists no {key}", _EXPORT_ANEW)
        sizes_hw = np.array(images.sizes, dtype=np.int64).reshape(-1, 2)
        columns = self.annotations.resolved(images.rows, categories.rows, sizes_hw)
        tree = CocoTree(
            where=self.where,
            image_ids=tuple(images.ids),
            file_names=tuple(images.names),
            sizes_hw=sizes_hw,
            category_ids=tuple(categories.ids),
            category_names=tuple(categories.names),
            category_parents=tuple(categories.parents),
            **columns,
        )
        return tree.with_faults([*self.faults.listed(), *geometry_faults(tree)])


class _Images:
    """The picture table; a picture without a usable id is no row of it."""

    def __init__(self, faults: FaultList) -> None:
        self.faults, self.count = faults, 0
        self.ids: list[ImageId] = []
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.rows: dict[str, int] = {}

    def add(self, entries: list[Any]) -> None:
        """Some pictures more."""
        for place, image_id, entry in _identified(entries, "images", self):
            if str(image_id) in self.rows:
                self.faults.add(
                    "repeated-image-id", "error", "image ids are used more than once",
                    "Give every image an id of its own.", f"id {image_id} of {place}",
                    stops_scoring=True,
                )  # fmt: skip
                continue
            self.rows[str(image_id)] = len(self.ids)
            self.ids.append(image_id)
            self.names.append(self._file_name(entry, image_id))
            self.sizes.append((plain_side(entry.get("height")), plain_side(entry.get("width"))))
            if 0 in self.sizes[-1]:
                self.faults.add(
                    "no-size", "note", "images state no width and height",
                    "They are taken from the pictures.", f"image {image_id}",
                )  # fmt: skip

    def _file_name(self, entry: Mapping[str, Any], image_id: ImageId) -> str:
        name, sound = plain_name(entry.get("file_name"))
        if not sound:
            self.faults.add(
                "file-name", "error", "images have no usable file_name",
                "Name each picture's file, in plain text.", f"image {image_id}",
            )  # fmt: skip
        if "\\" in name:
            self.faults.add(
                "backslash", "note", "file names hold backslashes, as Windows writes them",
                "They are read as slashes.", f"image {image_id} ({name})",
            )  # fmt: skip
        return name.replace("\\", "/")


class _Categories:
    """The category table; a category without a usable id is no row of it."""

    def __init__(self, faults: FaultList) -> None:
        self.faults, self.count = faults, 0
        self.ids: list[int] = []
        self.names: list[str] = []
        self.parents: list[str] = []
        self.rows: dict[str, int] = {}

    def add(self, entries: list[Any]) -> None:
        """Some categories more."""
        for place, found, entry in _identified(entries, "categories", self, whole=True):
            category_id = int(found)
            if str(category_id) in self.rows:
                self.faults.add(
                    "repeated-category-id", "error", "category ids are used more than once",
                    "Give every category an id of its own.", f"id {category_id} of {place}",
                    stops_scoring=True,
                )  # fmt: skip
                continue
            name, sound = plain_name(entry.get("name"))
            if not sound:
                self.faults.add(
                    "category-name", "error", "categories have no usable name",
                    "Name each of them, in plain text.", f"category {category_id}",
                )  # fmt: skip
            self.rows[str(category_id)] = len(self.ids)
            self.ids.append(category_id)
            self.names.append(tamed(name) if sound else f"category {category_id}")
            self.parents.append(plain_name(entry.get("supercategory"))[0])


def _identified(
    entries: Iterable[Any], key: str, part: _Images | _Categories, *, whole: bool = False
) -> Iterator[tuple[str, ImageId, Mapping[str, Any]]]:
    """Entries with their place and id; those that have no usable id are a fault."""
    kind, wanted = ("image", "a whole number or text") if not whole else ("category", "an integer")
    for entry in entries:
        place = f"{key}[{part.count}]"
        part.count += 1
        if not isinstance(entry, Mapping):
            part.faults.add(
                f"{kind}-not-object", "error", f"{key} are not objects", _EXPORT_ANEW, place,
                stops_scoring=True,
            )  # fmt: skip
            continue
        found = plain_id(entry.get("id"), whole=whole)
        if found is None:
            shown = f"id {_short(entry['id'])}" if "id" in entry else "no id"
            part.faults.add(
                f"{kind}-id", "error", f"{key} have no usable id",
                f"Give each {wanted} of its own.", f"{place} has {shown}", stops_scoring=True,
            )  # fmt: skip
            continue
        yield place, found, entry


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"
