"""COCO files that no layout explains: what to write in a data.yaml to use them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from yolokit.data.coco_json import JsonWalk, read_text
from yolokit.data.formats.picture_names import found_name
from yolokit.data.plain_values import plain_name
from yolokit.errors import DataError

_SPLITS = ("train", "val", "test")
_HEAD = 2**16  # bytes in which a tool's own words are found
_FOREIGN = {  # what a file begins with and holds
    "CVAT's own XML": (b"<", b"<annotations"),
    "LabelMe's JSON": (b"{", b'"shapes"'),
    "Label Studio's own JSON": (b"[", b'"annotations"'),
}
_BESIDE = (".", "images", "data", "images/default", "images/Default")  # where tools put pictures


def first_picture(path: Path) -> str | None:
    """The file_name of the first picture of a COCO file; None where it is no such file.

    Only as much of the file is parsed as stands before its list of pictures.
    """
    try:
        walk = JsonWalk(read_text(path))
        if walk.peek() != "{":
            return None
        for key in walk.members():
            if key != "images" or walk.peek() != "[":
                walk.value()
                continue
            for entries in walk.entries():
                entry = entries[0] if isinstance(entries[0], dict) else {}
                return plain_name(entry.get("file_name"))[0].replace("\\", "/")
            return ""
    except (DataError, ValueError, RecursionError):
        return None
    return None


def annotation_files(folder: Path) -> list[Path]:
    """The COCO files in a folder and in its ``annotations``."""
    seen = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return [file for file in seen if first_picture(file) is not None]


def foreign_format(file: Path) -> str | None:
    """What to do with a tool's own format that is not read here; None for what is none of these."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError:
        return None
    for tool, (begins, holds) in _FOREIGN.items():
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(begins) and holds in head:
            return f"It is {tool}. Export it from there as COCO, YOLO or Pascal VOC"
    return None


def picture_folder(file: Path) -> Path | None:
    """Where the pictures of a COCO file lie, if in one of the places where tools put them.

    Raises:
        DataError: it is no COCO file.
    """
    picture = first_picture(file)
    if picture is None:
        advice = foreign_format(file) or "Export the annotations anew"
        raise DataError(f"{file} is not a COCO annotation file. {advice}")
    subset = file.stem.removeprefix("instances_")
    places = dict.fromkeys((*_BESIDE, f"images/{subset}", subset))
    folders = [home / each for home in (file.parent, file.parent.parent) for each in places]
    as_named = (folder for folder in folders if picture and (folder / picture).is_file())
    odd = (folder for folder in folders if picture and found_name(picture, folder))
    return next(chain(as_named, odd), None)


def advise_yaml(folder: Path, files: Sequence[Path]) -> str:
    """The lines of a data.yaml in ``folder`` that would use some annotation files."""
    lines = []
    for file, split in zip(files, _SPLITS, strict=False):
        picture = first_picture(file)
        if picture is None:
            return (
                f"It is not a COCO annotation file. Give a folder or a data.yaml, not {file.name}"
            )
        found = [each for each in _BESIDE if picture and (folder / each / picture).is_file()]
        images = found[0] if found else "FOLDER_OF_PICTURES"
        name = file.relative_to(folder).as_posix()
        lines.append(f"{split}: {{images: {images}, annotations: {name}}}")
    more = "" if len(files) > 1 else "; split the file in two for a val line as well"
    return f"Write {folder / 'data.yaml'} with {' and '.join(f'`{line}`' for line in lines)}{more}"
