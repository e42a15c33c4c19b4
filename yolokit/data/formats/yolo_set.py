"""Where the pictures and class names of a set in YOLO's text format are.

Ultralytics' data.yaml (https://docs.ultralytics.com/datasets/detect/), Roboflow's, and folders
that hold a list of class names only, as labelImg, Label Studio, CVAT and Darknet write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolokit.data.fault_list import FaultList
from yolokit.data.formats.picture_files import holds_pictures, is_folder, is_there, text_of
from yolokit.data.plain_values import plain_id
from yolokit.data.split_names import SPELLINGS, WHOLE, split_of_name
from yolokit.errors import DataError

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "train/_darknet.labels")
_WEB = ("http://", "https://")
_EXAMPLE = "train: images/train, val: images/val, names: {0: cat, 1: dog}"


@dataclass(frozen=True, slots=True)
class YoloSet:
    """What describes a set.

    Args:
        file: the data.yaml or the list of names.
        root: what its paths are relative to.
        names: class number -> name, ascending.
        parts: split -> folders of pictures, and files that list pictures.
        keypoints: numbers that follow a box, for poses.
        faults: what is odd about the description.
    """

    file: Path
    root: Path
    names: Mapping[int, object]
    parts: Mapping[str, tuple[Path, ...]]
    keypoints: int
    faults: FaultList

    def pictures_folder(self, part: str) -> Path:
        """What the names of a split's pictures are relative to."""
        entries = self.parts[part]
        return entries[0] if len(entries) == 1 and not is_list(entries[0]) else self.root


def is_list(path: Path) -> bool:
    """Whether an entry names a file that lists pictures, not a folder."""
    return path.suffix.lower() == ".txt" and not is_folder(path)


def is_yolo_yaml(tree: object) -> bool:
    """Whether YAML is Ultralytics' rather than ours: its splits are paths, or it has its keys."""
    if not isinstance(tree, dict):
        return False
    splits = [value for key, value in tree.items() if key in SPELLINGS]
    return any(isinstance(each, str | list) for each in splits) or (
        bool({"names", "nc", "path"} & set(tree)) and not any(isinstance(s, dict) for s in splits)
    )


def set_of_yaml(tree: Mapping[str, Any], file: Path) -> YoloSet:
    """The set that a data.yaml of Ultralytics describes.

    Raises:
        DataError: no split, no class names, or entries that are no paths.
    """
    faults = FaultList()
    entries = _entries(tree, file)
    root = _root(tree, file, entries, faults)
    if len(entries) > 1 and not any(is_there(_found(root, e)) for e in entries.get("test", [])):
        entries.pop("test", None)  # Roboflow names one whether or not there is one
    return YoloSet(
        file=file,
        root=root,
        names=_names(tree, file, faults),
        parts={part: tuple(_found(root, e) for e in each) for part, each in entries.items()},
        keypoints=_keypoints(tree.get("kpt_shape")),
        faults=faults,
    )


def set_of_folder(folder: Path) -> YoloSet | None:
    """The set in a folder that holds a list of class names; None where there is no such list.

    Raises:
        DataError: a list of names, but no pictures that it could belong to.
    """
    files = [folder / name for name in NAME_FILES if (folder / name).is_file()]
    if not files:
        return None
    parts = _folders(folder)
    if not parts:
        raise DataError(
            f"{files[0]} names classes, but no pictures lie in {folder}, images or images/train. "
            f"Write a data.yaml: {_EXAMPLE}"
        )
    return YoloSet(files[0], folder, _listed_names(files[0]), parts, 0, FaultList())


def _entries(tree: Mapping[str, Any], file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, split in SPELLINGS.items():
        value = tree.get(key)
        if value in (None, "", []):
            continue
        if split in found:
            raise DataError(f"both val and {key} in {file}. Keep one of them")
        each = value if isinstance(value, list) else [value]
        if not all(isinstance(path, str) and path for path in each):
            raise DataError(f"{key} in {file} must be a path or a list of paths, got {value!r}")
        if web := [path for path in each if path.startswith(_WEB)]:
            raise DataError(f"{key} in {file} is an address: {web[0]}. Name a folder there")
        found[split] = [path.replace("\\", "/") for path in each]
    if not found:
        raise DataError(f"{file} names no split. Expected {_EXAMPLE}")
    return found


def _root(
    tree: Mapping[str, Any], file: Path, entries: Mapping[str, list[str]], faults: FaultList
) -> Path:
    """What paths are relative to: ``path``, or the file's own folder if the set was moved."""
    home, stated = file.parent, tree.get("path")
    if stated is None or stated == "":
        return home
    if not isinstance(stated, str):
        raise DataError(f"path in {file} must be a folder, got {stated!r}")
    stated = stated.replace("\\", "/")
    candidates = [home / stated, Path(stated), home.parent / stated]
    first = next(iter(entries.values()))[0]
    for root in candidates:
        if is_there(_found(root, first)):
            return root
    if is_there(_found(home, first)):
        faults.add(
            "moved", "note", f"states path {stated}, where {first} is not: it is taken from the "
            "file's own folder", "Correct or remove path.",
        )  # fmt: skip
        return home
    return candidates[0]


def _found(root: Path, entry: str) -> Path:
    """An entry's path. Roboflow's begin with ../ though they lie beside the data.yaml."""
    path = root / entry
    if not is_there(path) and entry.startswith("../"):
        inside = root / entry.removeprefix("../")
        return inside if is_there(inside) else path
    return path


def _names(tree: Mapping[str, Any], file: Path, faults: FaultList) -> dict[int, object]:
    names, count = tree.get("names"), tree.get("nc")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if names is None and type(count) is int and 0 < count <= 10_000:
        names = {number: f"class_{number}" for number in range(count)}
        faults.add("no-names", "note", "names no classes, only their number", "Add names.")
    if not isinstance(names, dict) or not names:
        raise DataError(f"{file} has no list of class names. Add names: {{0: cat, 1: dog}}")
    numbered = {plain_id(key, whole=True): name for key, name in names.items()}
    numbers = [number for number in numbered if isinstance(number, int) and number >= 0]
    if len(numbers) < len(names):
        raise DataError(f"names in {file} must be a list, or numbers from 0 with a name each")
    if type(count) is int and count != len(names):
        faults.add(
            "class-count", "warning", f"states nc {count} and names {len(names)} classes",
            "The names count; check that none is missing.",
        )  # fmt: skip
    return {number: numbered[number] for number in sorted(numbers)}


def _keypoints(shape: object) -> int:
    if isinstance(shape, list) and len(shape) == 2 and all(type(each) is int for each in shape):
        return max(0, int(shape[0]) * int(shape[1]))
    return 0


def _listed_names(file: Path) -> dict[int, object]:
    try:
        lines = [line.strip() for line in text_of(file).split("\n")]
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read class names {file}: {error}. Save it as UTF-8") from error
    while lines and not lines[-1]:
        lines.pop()
    return dict(enumerate(lines))


def _folders(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Pictures by split, where tools put them."""
    for home in (folder / "images", folder):
        below = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
        found: dict[str, tuple[Path, ...]] = {}
        for path in below:
            inside = path / "images" if (path / "images").is_dir() else path
            split = split_of_name(path.name)
            if split is not None and holds_pictures(inside):
                found[split] = (*found.get(split, ()), inside)
        if found:
            return found
    lists = [path for path in sorted(folder.glob("*.txt")) if path.stem.casefold() in SPELLINGS]
    if lists:
        return {SPELLINGS[path.stem.casefold()]: (path,) for path in lists}
    for home in (folder / "images", folder / "obj_train_data", folder):
        if holds_pictures(home):
            return {WHOLE: (home,)}
    return {}
