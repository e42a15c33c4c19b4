"""Find the splits of a data set from one path, whatever format its labels have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from yolokit.data.formats import voc_set, yolo_set
from yolokit.data.formats.voc import voc_splits
from yolokit.data.formats.yolo import yolo_splits
from yolokit.data.lone_files import advise_yaml, annotation_files, foreign_format, picture_folder
from yolokit.data.split_names import SPELLINGS, SPLITS, WHOLE, split_of_name
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

_SPLIT_OF_NAME = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_BESIDE_IMAGES = "_annotations.coco.json"
_SHOWN = 3  # names of files in a message
_SUBSET = re.compile(r"instances_(.+)\.json", re.IGNORECASE)
_COCO_FILE = re.compile(
    rf"instances_({'|'.join(sorted(SPELLINGS, key=len, reverse=True))})(?![a-z])(.*)\.json",
    re.IGNORECASE,
)
_LAYOUTS = (
    "annotations/instances_{train,val,test}*.json, {train,valid,test}/_annotations.coco.json, a "
    "data.yaml (ours with train/val/test: {images, annotations}, or Ultralytics'), YOLO labels "
    "with a classes.txt, Pascal VOC's Annotations and JPEGImages, or one COCO file"
)


def locate_splits(path: str | Path) -> dict[str, SplitConfig]:
    """The splits under a path, by name ``train``, ``val``, ``test``; ``all`` where it knows none.

    Args:
        path: a ``data.yaml``, ours or Ultralytics'; a COCO file by itself; or a folder that holds a
            ``data.yaml``, COCO's ``annotations/instances_SPLIT*.json`` with pictures in
            ``images/SPLIT``, ``SPLIT``, ``SPLIT2017`` or ``images``, one folder a split with
            ``_annotations.coco.json`` beside the pictures (``valid`` is ``val``), Pascal VOC,
            YOLO text labels with a list of class names, or one COCO file.

    Raises:
        DataError: nothing there, no known layout, two files for one split, no picture folder.
    """
    found = _locate(Path(path))
    return {split: found[split] for split in (*SPLITS, WHOLE) if split in found}


def unread_note(path: str | Path) -> str | None:
    """One line that names annotation files of no split, which nobody reads; None: there is none.

    Args:
        path: data in which ``locate_splits`` finds splits. Who writes a data.yaml has chosen.
    """
    folder = Path(path) / "annotations"
    if not folder.is_dir() or (Path(path) / "data.yaml").is_file():
        return None
    read = {file for file, _, _ in _subsets(folder)}
    unread = sorted(file.name for file in folder.glob("instances_*.json") if file not in read)
    if not read or not unread:
        return None
    more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
    return (
        f"{', '.join(unread[:_SHOWN])}{more} in {folder}: of no split by name and not read. To use "
        "them, say in a data.yaml which files are train, val and test"
    )


def choose_split(path: str | Path, name: str) -> SplitConfig:
    """One split of the data at a path; all of it where it knows no splits.

    Raises:
        DataError: see ``locate_splits``; or no split of that name, with those there are.
    """
    splits = locate_splits(path)
    if WHOLE in splits:
        return splits[WHOLE]
    if name not in splits:
        raise DataError(f"no split {name!r} in {path}. It has {', '.join(splits)}")
    return splits[name]


def _locate(path: Path) -> dict[str, SplitConfig]:
    if path.is_file() and path.suffix.lower() == ".json":
        return _lone_file(path)
    if path.is_file() and path.suffix.lower() == ".xml":
        raise DataError(f"{path} is one XML file. {foreign_format(path) or 'Give its folder'}")
    if path.is_file():
        return _from_yaml(path)
    if not path.is_dir():
        raise DataError(f"no data at {path}. Give a folder, a data.yaml or a COCO file")
    if (path / "data.yaml").is_file():
        return _from_yaml(path / "data.yaml")
    splits = (
        _coco_layout(path)
        or _beside_images_layout(path)
        or _other_yaml(path)
        or _only_file(path)
        or _other_formats(path)
    )
    if not splits:
        for file in sorted([*path.glob("*.json"), *path.glob("*.xml")]):
            if advice := foreign_format(file):
                raise DataError(f"{path} holds {file.name}, no labels that are read. {advice}")
        raise DataError(f"no known data layout in {path}. Expected {_LAYOUTS}")
    return splits


def _coco_layout(folder: Path) -> dict[str, SplitConfig]:
    found: dict[str, SplitConfig] = {}
    for file, name, suffix in _subsets(folder / "annotations"):
        split = split_of_name(name)
        assert split is not None
        if split in found:
            raise DataError(
                f"two annotation files for {split}: {found[split].annotations.name} and "
                f"{file.name} in {file.parent}. Choose one with a data.yaml"
            )
        found[split] = SplitConfig(
            images=_picture_folder(folder, name, suffix, file), annotations=file
        )
    return found


def _subsets(folder: Path) -> list[tuple[Path, str, str]]:
    """COCO's files, their subset's name and what follows it.

    A name that only holds a split's, as CVAT's users choose them, counts where no file begins so.
    """
    files = sorted(folder.glob("instances_*.json"))
    matches = [(file, _COCO_FILE.fullmatch(file.name)) for file in files]
    found = [(file, match[1], match[2]) for file, match in matches if match]
    known = {SPELLINGS[name.casefold()] for _, name, _ in found}
    names = [(file, _SUBSET.fullmatch(file.name)) for file in files]
    own = [(file, match[1], "") for file, match in names if match]
    return found + [each for each in own if split_of_name(each[1]) not in {None, *known}]


def _picture_folder(folder: Path, name: str, suffix: str, annotations: Path) -> Path:
    names = dict.fromkeys((name + suffix, name, f"{name}2017"))
    candidates = [Path("images") / each for each in names] + [Path(each) for each in names]
    candidates.append(Path("images"))
    for candidate in candidates:
        if (folder / candidate).is_dir():
            return folder / candidate
    looked_in = ", ".join(str(candidate) for candidate in candidates)
    raise DataError(f"no pictures for {annotations}. Looked in {looked_in} under {folder}")


def _beside_images_layout(folder: Path) -> dict[str, SplitConfig]:
    found: dict[str, SplitConfig] = {}
    for name, split in _SPLIT_OF_NAME.items():
        file = folder / name / _BESIDE_IMAGES
        if not file.is_file():
            continue
        if split in found:
            raise DataError(f"both val and valid in {folder}. Choose one with a data.yaml")
        found[split] = SplitConfig(images=file.parent, annotations=file)
    return found


def _only_file(folder: Path) -> dict[str, SplitConfig]:
    """The one COCO file in a folder, whose name tells no split.

    Raises:
        DataError: there are several.
    """
    files = annotation_files(folder)
    if len(files) > 1:
        named = ", ".join(file.relative_to(folder).as_posix() for file in files)
        raise DataError(
            f"{folder} holds {named}, whose splits the names do not tell. "
            f"{advise_yaml(folder, files)}"
        )
    return _lone_file(files[0]) if files else {}


def _lone_file(file: Path) -> dict[str, SplitConfig]:
    images = picture_folder(file)
    if images is None:
        raise DataError(
            f"no pictures of {file} beside it. Put them into {file.parent / 'images'}, or say in a "
            f"data.yaml where they are: `train: {{images: FOLDER, annotations: {file.name}}}`"
        )
    return {WHOLE: SplitConfig(images=images, annotations=file)}


def _other_yaml(folder: Path) -> dict[str, SplitConfig]:
    """The one YAML file in a folder, of another name, where it is Ultralytics'."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(files) != 1:
        return {}
    try:
        tree = _yaml_tree(files[0])
    except DataError:  # some other tool's
        return {}
    ours = yolo_set.is_yolo_yaml(tree) and any(name in tree for name in SPELLINGS)
    return yolo_splits(yolo_set.set_of_yaml(tree, files[0])) if ours else {}


def _other_formats(folder: Path) -> dict[str, SplitConfig]:
    if voc := voc_set.set_of_folder(folder):
        return voc_splits(voc)
    if yolo := yolo_set.set_of_folder(folder):
        return yolo_splits(yolo)
    return {}


def _from_yaml(path: Path) -> dict[str, SplitConfig]:
    tree = _yaml_tree(path)
    if not isinstance(tree, dict) or not tree:
        raise DataError(f"{path} names no split. Expected train/val/test: {{images, annotations}}")
    if yolo_set.is_yolo_yaml(tree):
        return yolo_splits(yolo_set.set_of_yaml(tree, path))
    found: dict[str, SplitConfig] = {}
    for name, paths in tree.items():
        if name not in _SPLIT_OF_NAME:
            raise DataError(f"unknown key {name!r} in {path}. Known: train, val, test")
        if _SPLIT_OF_NAME[name] in found:
            raise DataError(f"both val and valid in {path}. Keep one of them")
        found[_SPLIT_OF_NAME[name]] = _yaml_split(name, paths, path)
    return found


def _yaml_tree(path: Path) -> Any:
    try:
        from yolokit.strict_yaml import read_yaml  # not loaded for pictures

        return read_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}. Expected {_LAYOUTS}") from error


def _yaml_split(name: str, paths: object, where: Path) -> SplitConfig:
    keys = {"images", "annotations"}
    if (
        not isinstance(paths, dict)
        or set(paths) != keys
        or not all(isinstance(value, str) for value in paths.values())
    ):
        raise DataError(
            f"{name} in {where} must be {{images: FOLDER, annotations: FILE.json}}, got {paths!r}"
        )
    return SplitConfig(
        images=where.parent / paths["images"], annotations=where.parent / paths["annotations"]
    )
