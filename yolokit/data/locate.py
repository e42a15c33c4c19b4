"""Find the splits of a data set from one path: a folder in a known layout, or a data.yaml."""

from __future__ import annotations

import re
from pathlib import Path

from yolokit.data.lone_files import advise_yaml, first_picture
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

_SPLIT_OF_NAME = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_SPELLINGS = {"training": "train", "validation": "val", "testing": "test", **_SPLIT_OF_NAME}
_BESIDE_IMAGES = "_annotations.coco.json"
_COCO_FILE = re.compile(
    rf"instances_({'|'.join(sorted(_SPELLINGS, key=len, reverse=True))})(?![a-z])(.*)\.json",
    re.IGNORECASE,
)
_LAYOUTS = (
    "annotations/instances_{train,val,test}*.json, {train,valid,test}/_annotations.coco.json, "
    "or a data.yaml with train/val/test: {images, annotations}"
)


_TEXT_LABEL_KEYS = {"names", "nc", "path"}  # of Ultralytics' data.yaml


def locate_splits(path: str | Path) -> dict[str, SplitConfig]:
    """The splits under a path, by name ``train``, ``val``, ``test``; at least one.

    Args:
        path: a ``data.yaml`` (its paths relative to itself), or a folder that holds a
            ``data.yaml``, COCO's ``annotations/instances_SPLIT*.json`` with pictures in
            ``images/SPLIT``, ``SPLIT``, ``SPLIT2017`` or ``images``, or one folder a split with
            ``_annotations.coco.json`` beside the pictures (``valid`` is ``val``).

    Raises:
        DataError: nothing there, no known layout, two files for one split, no picture folder.
    """
    found = _locate(Path(path))
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def choose_split(path: str | Path, name: str) -> SplitConfig:
    """One split of the data at a path.

    Raises:
        DataError: see ``locate_splits``; or no split of that name, with those there are.
    """
    splits = locate_splits(path)
    if name not in splits:
        raise DataError(f"no split {name!r} in {path}. It has {', '.join(splits)}")
    return splits[name]


def _locate(path: Path) -> dict[str, SplitConfig]:
    if path.is_file() and path.suffix.lower() == ".json":
        raise DataError(f"{path} is a single file. {advise_yaml(path.parent, [path])}")
    if path.is_file():
        return _from_yaml(path)
    if not path.is_dir():
        raise DataError(f"no data at {path}. Give a folder or a data.yaml")
    if (path / "data.yaml").is_file():
        return _from_yaml(path / "data.yaml")
    splits = _coco_layout(path) or _beside_images_layout(path)
    if not splits:
        seen = sorted([*path.glob("*.json"), *path.glob("annotations/*.json")])
        if coco := [file for file in seen if first_picture(file) is not None]:
            files = ", ".join(file.relative_to(path).as_posix() for file in coco)
            raise DataError(
                f"{path} holds {files}, whose split the name does not tell. "
                f"{advise_yaml(path, coco)}"
            )
        raise DataError(f"no known data layout in {path}. Expected {_LAYOUTS}")
    return splits


def _coco_layout(folder: Path) -> dict[str, SplitConfig]:
    found: dict[str, SplitConfig] = {}
    for file in sorted((folder / "annotations").glob("instances_*.json")):
        match = _COCO_FILE.fullmatch(file.name)
        if not match:
            continue
        name, suffix = match.groups()
        split = _SPELLINGS[name.lower()]
        if split in found:
            raise DataError(
                f"two annotation files for {split}: {found[split].annotations.name} and "
                f"{file.name} in {file.parent}. Choose one with a data.yaml"
            )
        found[split] = SplitConfig(
            images=_picture_folder(folder, name, suffix, file), annotations=file
        )
    return found


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


def _from_yaml(path: Path) -> dict[str, SplitConfig]:
    try:
        from yolokit.strict_yaml import read_yaml  # not loaded for pictures

        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}. Expected {_LAYOUTS}") from error
    if not isinstance(tree, dict) or not tree:
        raise DataError(f"{path} names no split. Expected train/val/test: {{images, annotations}}")
    if _TEXT_LABEL_KEYS & set(tree) or any(
        isinstance(tree.get(name), str | list) for name in _SPLIT_OF_NAME
    ):
        raise DataError(
            f"{path} describes labels in YOLO text files. They are to be converted to COCO JSON "
            "first, one file a split; then name those here: "
            "train: {images: FOLDER, annotations: FILE.json}"
        )
    found: dict[str, SplitConfig] = {}
    for name, paths in tree.items():
        if name not in _SPLIT_OF_NAME:
            raise DataError(f"unknown key {name!r} in {path}. Known: train, val, test")
        if _SPLIT_OF_NAME[name] in found:
            raise DataError(f"both val and valid in {path}. Keep one of them")
        found[_SPLIT_OF_NAME[name]] = _yaml_split(name, paths, path)
    return found


def _yaml_split(name: str, paths: object, where: Path) -> SplitConfig:
    keys = {"images", "annotations"}
    if (
        not isinstance(paths, dict)
        or set(paths) != keys
        or not all(isinstance(value, str) for value in paths.values())
    ):
        raise DataError(
            f"{name} in {where} must be {{images: FOLDER, annotations: FILE.json}}, got {paths!r}. "
            "Labels in YOLO text files are to be converted to COCO JSON first"
        )
    return SplitConfig(
        images=where.parent / paths["images"], annotations=where.parent / paths["annotations"]
    )
