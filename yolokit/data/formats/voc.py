"""Sets in Pascal VOC's format: one XML file a picture.

VOC's pixels are counted from 1 and the last one belongs to the box
(http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html): 1 to 10 is 10 pixels wide
and begins at the picture's edge. Many tools write edges from 0 instead. A set in which any box
begins before pixel 1 is theirs, and read so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from yolokit.data.coco_tree import CocoTree, Problem
from yolokit.data.fault_list import FaultList
from yolokit.data.formats.picture_files import is_file, relative_name, text_of
from yolokit.data.formats.safe_xml import Element, read_xml
from yolokit.data.formats.tree_parts import Label, TreeParts
from yolokit.data.formats.voc_set import (
    LABEL_MAP,
    VocPart,
    VocSet,
    listed_names,
    pictures_by_stem,
    set_of_folder,
)
from yolokit.data.images import picture_size
from yolokit.data.plain_values import plain_flag, plain_side
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

Progress = Callable[[float], None]
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_NO_POSE = {"", "unspecified"}


@dataclass(frozen=True, slots=True)
class _Object:
    """One object as it is written: its corners, or why there are none."""

    name: str
    corners: tuple[float, ...] | Problem
    line: int
    difficult: bool
    detailed: bool  # has a pose, parts, or is truncated or occluded


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One XML file."""

    picture: str
    size_hw: tuple[int, int]
    objects: list[_Object]


def voc_splits(found: VocSet) -> dict[str, SplitConfig]:
    """The splits of a set."""
    return {
        name: SplitConfig(images=part.pictures, annotations=found.root, format="voc", part=name)
        for name, part in found.parts.items()
    }


def read_voc(split: SplitConfig, *, progress: Progress | None = None) -> CocoTree:
    """Read one split of a set in Pascal VOC's format.

    All XML files of the set are read: they tell which classes there are, and where pixels are
    counted from. What is marked difficult is ignored in scoring, as VOC does, and not learnt from.

    Args:
        split: as ``voc_splits`` gives it.
        progress: is called with the share that is read.

    Raises:
        DataError: the set is gone, or has no such split.
    """
    found = set_of_folder(split.annotations)
    if found is None or split.part not in found.parts:
        raise DataError(f"no Pascal VOC set with a split {split.part!r} in {split.annotations}")
    part = found.parts[split.part]
    read, broken = _read_all(found, progress)
    classes = _classes(found.root, read.values())
    faults = FaultList()
    parts = TreeParts(f"{found.root} ({split.part})", dict(enumerate(classes)), faults)
    rows = {name: row for row, name in enumerate(classes)}
    base = _first_pixel(read.values(), faults)
    pictures = pictures_by_stem(part.pictures)
    tally: Counter[str] = Counter()
    for stem in listed_names(part):
        file = part.annotations / f"{stem}.xml"
        shown = relative_name(file, found.root)
        if file in broken:
            faults.add(
                "annotation-file", "error", "annotation files cannot be read",
                "Repair or remove them.", f"{shown} ({broken[file]})", stops_scoring=True,
            )  # fmt: skip
        annotation = read.get(file)
        tally["pictures"] += 1
        tally["unlabelled"] += file not in read and file not in broken
        labels = [_label(each, rows, base) for each in annotation.objects] if annotation else []
        if annotation is not None:
            tally["difficult"] += sum(each.difficult for each in annotation.objects)
            tally["detailed"] += sum(each.detailed for each in annotation.objects)
        picture = _picture(stem, annotation, part, pictures, faults)
        size_hw = annotation.size_hw if annotation else (0, 0)
        if 0 in size_hw:
            size_hw = picture_size(part.pictures / picture)
        parts.add(picture, size_hw, shown, labels)
    _add_faults(faults, tally)
    return parts.tree()


def _read_all(
    found: VocSet, progress: Progress | None
) -> tuple[dict[Path, _Annotation], dict[Path, str]]:
    """Every XML file's content, or what is wrong with it."""
    read: dict[Path, _Annotation] = {}
    broken: dict[Path, str] = {}
    files = found.annotation_files
    for index, file in enumerate(files):
        try:
            read[file] = _annotation(read_xml(file))
        except (OSError, ValueError) as error:
            broken[file] = str(error)
        if progress is not None:
            progress((index + 1) / len(files))
    return read, broken


def _annotation(root: Element) -> _Annotation:
    if root.name != "annotation":
        raise ValueError(f"line {root.line}: begins with <{root.name}>, not <annotation>")
    size = root.first("size")
    height, width = (plain_side(size.value(side)) if size else 0 for side in ("height", "width"))
    name = (root.value("filename") or "").replace("\\", "/")
    return _Annotation(name, (height, width), [_object(each) for each in root.all("object")])


def _object(element: Element) -> _Object:
    flags = (plain_flag(element.value(each)) for each in ("truncated", "occluded"))
    posed = (element.value("pose") or "").casefold() not in _NO_POSE
    return _Object(
        name=element.value("name") or "",
        corners=_corners(element.first("bndbox")),
        line=element.line,
        difficult=plain_flag(element.value("difficult")),
        detailed=any(flags) or posed or element.first("part") is not None,
    )


def _corners(box: Element | None) -> tuple[float, ...] | Problem:
    if box is None:
        return Problem.NO_BOX
    try:
        corners = tuple(float(box.value(each) or "none") for each in _CORNERS)
    except ValueError:
        return Problem.NOT_FOUR_NUMBERS
    return corners if all(map(math.isfinite, corners)) else Problem.NOT_FINITE


def _classes(root: Path, annotations: Iterable[_Annotation]) -> list[str]:
    """The set's classes, in the order of its label map; those that it lacks follow by name."""
    used = {each.name for annotation in annotations for each in annotation.objects} - {""}
    try:
        lines = text_of(root / LABEL_MAP).split("\n")
    except (OSError, ValueError):  # most sets have none
        return sorted(used)
    listed = [line.rstrip("\r").rsplit(":", 3)[0] for line in lines if line.count(":") >= 3]
    no_class = {"# label", "background"} - used
    mapped = [name for name in dict.fromkeys(listed) if name not in no_class]
    return [*mapped, *sorted(used - set(mapped))]


def _first_pixel(annotations: Iterable[_Annotation], faults: FaultList) -> int:
    """What the first pixel's number is: 1, or 0 where any box begins before 1."""
    objects = (each for annotation in annotations for each in annotation.objects)
    before = sum(isinstance(each.corners, tuple) and min(each.corners[:2]) < 1 for each in objects)
    if not before:
        return 1
    faults.add(
        "from-zero", "note", f"has {before} boxes that begin before pixel 1",
        "All of the set are read as edges from 0, not as VOC's pixels from 1.",
    )  # fmt: skip
    return 0


def _label(each: _Object, rows: Mapping[str, int], base: int) -> Label:
    row = rows.get(each.name, -1)
    if isinstance(each.corners, Problem):
        return Label(row, None, each.line, each.corners, each.difficult)
    x1, y1, x2, y2 = each.corners
    box = (x1 - base, y1 - base, x2 - x1 + base, y2 - y1 + base)
    return Label(row, box, each.line, crowd=each.difficult)


def _picture(
    stem: str,
    annotation: _Annotation | None,
    part: VocPart,
    pictures: Mapping[str, list[Path]],
    faults: FaultList,
) -> str:
    """The picture's name: of the XML file's own name, else that which the file states."""
    stated = annotation.picture if annotation else ""
    found = [relative_name(path, part.pictures) for path in pictures.get(stem, [])]
    last = stated.rpartition("/")[2]
    if len(found) > 1:
        chosen = next((name for name in found if name.rpartition("/")[2] == last), found[0])
        faults.add(
            "shared-labels", "warning", "annotation files belong to several pictures of one name",
            "One of them is used: rename or remove the others.", f"{stem}.xml ({', '.join(found)})",
        )  # fmt: skip
        return chosen
    if found:
        return found[0]
    for name in (stated, last):
        if name and is_file(part.pictures / name):
            return relative_name(part.pictures / name, part.pictures)
    return last or f"{stem}.jpg"  # missing: checking the pictures says so


def _add_faults(faults: FaultList, tally: Counter[str]) -> None:
    if tally["unlabelled"]:
        faults.add(
            "unlabelled", "note",
            f"has no annotation file for {tally['unlabelled']} of {tally['pictures']} pictures",
            "They count as pictures without objects.",
        )  # fmt: skip
    if tally["difficult"]:
        faults.add(
            "difficult", "note", f"has {tally['difficult']} objects marked difficult",
            "They are ignored in scoring, as VOC does, and not learnt from.",
        )  # fmt: skip
    if tally["detailed"]:
        faults.add(
            "details", "note",
            f"has {tally['detailed']} objects with pose, parts, truncated or occluded",
            "Only name, box and difficult are read.",
        )  # fmt: skip
