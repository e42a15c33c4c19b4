"""COCO files written: a tree's content, or a file's own with other names of pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from yolokit.data.coco_json import JsonWalk, read_text
from yolokit.data.coco_tree import CocoTree
from yolokit.data.plain_values import plain_id

_LOST_OF_IMAGES = ("license", "date_captured", "coco_url", "flickr_url")
_LOST_OF_ANNOTATIONS = {
    "segmentation": "segmentations, of which the boxes stay",
    "keypoints": "keypoints",
    "attributes": "attributes of objects",
    "caption": "captions",
}


def write_tree(path: Path, tree: CocoTree, names: Sequence[str]) -> int:
    """Write a tree as COCO JSON; annotations without a box, picture or class are left out.

    Args:
        path: the file.
        tree: whose every picture's size is known.
        names: of the pictures, in place of the tree's.

    Returns:
        How many annotations were left out.
    """
    sizes = tree.sizes_hw.tolist()
    images = [
        {"id": image_id, "file_name": name, "width": width, "height": height}
        for image_id, name, (height, width) in zip(tree.image_ids, names, sizes, strict=True)
    ]
    table = zip(tree.category_ids, tree.category_names, strict=True)
    categories = [{"id": category_id, "name": name} for category_id, name in table]
    kept = tree.scorable
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"images": {json.dumps(images)},\n"categories": {json.dumps(categories)}')
        file.write(',\n"annotations": ')
        _write_list(file, _annotations(tree))
        file.write("}\n")
    return int((~kept).sum())


def _annotations(tree: CocoTree) -> Iterator[dict[str, Any]]:
    boxes, areas = tree.boxes_xywh.tolist(), tree.areas.tolist()
    for row in tree.scorable.nonzero()[0].tolist():
        yield {
            "id": int(tree.annotation_ids[row]),
            "image_id": tree.image_ids[tree.image_index[row]],
            "category_id": tree.category_ids[tree.category_index[row]],
            "bbox": boxes[row],
            "area": areas[row],
            "iscrowd": int(tree.crowd[row]),
        }


def write_renamed(source: Path, path: Path, names: Mapping[str, str]) -> None:
    """Write a COCO file again, every entry as it stands but for the names of pictures.

    Args:
        source: a file that has been read before: it is sound.
        path: the new file.
        names: of the pictures by id in writing.
    """
    walk = JsonWalk(read_text(source))
    with path.open("w", encoding="utf-8") as file:
        for place, key in enumerate(walk.members()):
            file.write(("{" if place == 0 else ",\n") + json.dumps(key) + ": ")
            if key in ("images", "annotations") and walk.peek() == "[":
                entries = (entry for chunk in walk.entries() for entry in chunk)
                _write_list(file, _renamed(entries, names) if key == "images" else entries)
            else:
                file.write(json.dumps(walk.value()))
        file.write("}\n")


def _renamed(entries: Iterator[Any], names: Mapping[str, str]) -> Iterator[Any]:
    for entry in entries:
        found = names.get(str(plain_id(entry.get("id")))) if isinstance(entry, dict) else None
        yield entry if found is None else {**entry, "file_name": found}


def _write_list(file: TextIO, entries: Iterator[Any]) -> None:
    file.write("[")
    for place, entry in enumerate(entries):
        file.write((",\n" if place else "\n") + json.dumps(entry))
    file.write("]")


def extras(source: Path) -> Counter[str]:
    """What a COCO file holds that other formats have no place for, in words, and how often."""
    found: Counter[str] = Counter()
    walk = JsonWalk(read_text(source))
    for key in walk.members():
        if key not in ("images", "annotations", "categories") or walk.peek() != "[":
            value = walk.value()
            found["licences"] += len(value) if key == "licenses" and isinstance(value, list) else 0
            continue
        for entry in (entry for chunk in walk.entries() for entry in chunk):
            if isinstance(entry, dict):
                found.update(_extras_of(key, entry))
    return +found


def _extras_of(key: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if key == "images":
        if any(entry.get(name) for name in _LOST_OF_IMAGES):
            yield "licences, dates and addresses of pictures"
    elif key == "categories":
        if entry.get("supercategory") or entry.get("keypoints"):
            yield "supercategories and skeletons of classes"
    else:
        yield from (words for name, words in _LOST_OF_ANNOTATIONS.items() if entry.get(name))
