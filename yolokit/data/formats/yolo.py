"""Sets in YOLO's text format: one label file a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from yolokit.data.coco_tree import CocoTree
from yolokit.data.fault_list import FaultList
from yolokit.data.formats.picture_files import (
    is_file,
    is_folder,
    pictures_under,
    relative_name,
    sizes_hw,
    text_of,
)
from yolokit.data.formats.tree_parts import Label, TreeParts
from yolokit.data.formats.yolo_labels import label_file, label_path, read_labels
from yolokit.data.formats.yolo_set import (
    NAME_FILES,
    YoloSet,
    is_list,
    is_yolo_yaml,
    set_of_folder,
    set_of_yaml,
)
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

Progress = Callable[[float], None]
_MOST = 0.9  # of the lines: from there on it is how the set is written, not a slip


def yolo_splits(found: YoloSet) -> dict[str, SplitConfig]:
    """The splits that a set describes."""
    return {
        part: SplitConfig(
            images=found.pictures_folder(part), annotations=found.file, format="yolo", part=part
        )
        for part in found.parts
    }


def read_yolo(split: SplitConfig, *, progress: Progress | None = None) -> CocoTree:
    """Read one split of a set in YOLO's text format; of the pictures, headers only.

    Args:
        split: as ``yolo_splits`` gives it.
        progress: is called with the share that is read.

    Raises:
        DataError: the description is gone or has no such split, or a folder that it names is.
    """
    found = _set_at(split.annotations, split.part)
    entries = found.parts[split.part]
    pictures = list(dict.fromkeys(path for each in entries for path in _pictures(each, found)))
    parts = TreeParts(f"{found.file} ({split.part})", found.names, found.faults)
    rows = {number: row for row, number in enumerate(found.names)}
    tally: Counter[str] = Counter()
    for index, (picture, size_hw) in enumerate(zip(pictures, sizes_hw(pictures), strict=True)):
        labels = _labels(picture, size_hw, rows, found, tally)
        file = relative_name(label_file(picture), found.root)
        parts.add(relative_name(picture, split.images), size_hw, file, labels)
        if progress is not None:
            progress((index + 1) / len(pictures))
    _add_faults(found.faults, tally, len(pictures))
    _add_strays(found, entries, pictures)
    return parts.tree()


def _set_at(file: Path, part: str) -> YoloSet:
    sets: Iterator[YoloSet]
    if file.suffix.lower() in (".yaml", ".yml"):
        from yolokit.strict_yaml import read_yaml  # not loaded for pictures

        try:
            tree = read_yaml(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {file}: {error}. Check the path and the file") from error
        sets = iter([set_of_yaml(tree, file)] if is_yolo_yaml(tree) else [])
    else:  # Roboflow's list of names lies in a split's folder
        sets = filter(None, map(set_of_folder, (file.parent, file.parent.parent)))
    for found in sets:
        if found.file == file and part in found.parts:
            return found
    raise DataError(f"{file} describes no split {part!r} in YOLO's text format. Check the path")


def _pictures(entry: Path, found: YoloSet) -> Iterator[Path]:
    """The pictures in a folder, or those that a file lists."""
    if not is_list(entry):
        if not is_folder(entry):
            raise DataError(f"{found.file}: no folder at {entry}. Correct its paths")
        yield from pictures_under(entry)
        return
    try:
        lines = text_of(entry).split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{found.file}: cannot read the list {entry}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _listed(line.rstrip("\r"), entry, found.root, number)


def _listed(line: str, file: Path, root: Path, number: int) -> Path:
    if line.lstrip().startswith(("http://", "https://")):
        raise DataError(f"{file}:{number} is an address, {line.strip()}. Download the pictures")
    written = line.replace("\\", "/")
    for name in dict.fromkeys((written, written.strip())):
        inner = name.partition("/")[2]  # CVAT's lists begin with data/, a folder of no set
        candidates = [file.parent / name, root / name, Path(name), *([root / inner] * bool(inner))]
        for candidate in candidates:
            if is_file(candidate):
                return Path(*candidate.parts)
    return file.parent / written.strip()


def _labels(
    picture: Path,
    size_hw: tuple[int, int],
    rows: dict[int, int],
    found: YoloSet,
    tally: Counter[str],
) -> list[Label]:
    file = label_file(picture)
    try:
        text = text_of(file)
    except FileNotFoundError:
        tally["unlabelled"] += 1
        return []
    except (OSError, ValueError) as error:
        found.faults.add(
            "label-file", "error", "label files cannot be read", "Repair or remove them.",
            f"{file} ({error})", stops_scoring=True,
        )  # fmt: skip
        return []
    read = read_labels(text, size_hw, rows, keypoints=found.keypoints)
    tally["lines"] += len(read.labels)
    for kind in ("outlines", "poses", "pixels"):
        tally[kind] += getattr(read, kind)
    return read.labels


def _add_faults(faults: FaultList, tally: Counter[str], pictures: int) -> None:
    if pictures and tally["unlabelled"] == pictures:
        faults.add(
            "no-labels", "error", f"has no label file for any of its {pictures} pictures",
            "Labels of images/a.jpg are looked for in labels/a.txt, of other folders beside it.",
            stops_scoring=True,
        )  # fmt: skip
    elif tally["unlabelled"]:
        faults.add(
            "unlabelled", "note", f"has no label file for {tally['unlabelled']} of {pictures} "
            "pictures", "They count as pictures without objects.",
        )  # fmt: skip
    if tally["outlines"]:
        faults.add(
            "outline", "note", f"has {tally['outlines']} polygons or turned boxes",
            "Their upright extent is the box.",
        )  # fmt: skip
    if tally["poses"]:
        faults.add("pose", "note", f"has {tally['poses']} poses", "Only their boxes are read.")
    if tally["pixels"] and tally["pixels"] >= _MOST * tally["lines"]:
        faults.add(
            "pixels", "error", f"has {tally['pixels']} of {tally['lines']} boxes in pixels",
            "YOLO's are fractions: divide x and width by the picture's width, y and height by its "
            "height.", stops_scoring=True,
        )  # fmt: skip


def _add_strays(found: YoloSet, entries: tuple[Path, ...], pictures: list[Path]) -> None:
    """Label files without a picture, and pictures that share one."""
    shared = Counter(map(label_file, pictures))
    for file in (file for file, count in shared.items() if count > 1):
        found.faults.add(
            "shared-labels", "warning", "label files belong to several pictures of one name",
            "Each has all of its objects: rename the pictures, or remove copies.", str(file),
        )  # fmt: skip
    for folder in (entry for entry in entries if not is_list(entry)):
        home = label_path(folder / "a").parent
        for file in sorted(home.rglob("*.txt")) if home.is_dir() else ():
            if file not in shared and file.name not in NAME_FILES and _looks_like_labels(file):
                found.faults.add(
                    "no-picture", "warning", "label files have no picture",
                    "Their objects are left out: add the pictures, or remove the files.",
                    relative_name(file, found.root),
                )  # fmt: skip


def _looks_like_labels(file: Path) -> bool:
    with file.open("rb") as opened:
        words = opened.readline(4096).split()
    return bool(words) and all(word.replace(b".", b"").isdigit() for word in words[:2])
