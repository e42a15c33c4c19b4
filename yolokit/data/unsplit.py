"""What there is to split: a COCO file by itself, or the training part of a set."""

from __future__ import annotations

import shlex
from pathlib import Path

from yolokit.data.locate import locate_splits
from yolokit.data.lone_files import annotation_files, picture_folder
from yolokit.errors import DataError
from yolokit.files import free_file
from yolokit.sections import SplitConfig


def find_unsplit(path: Path, images: Path | None = None) -> dict[str, SplitConfig]:
    """The splits of a set; of one that knows none, all of it as ``train``.

    Args:
        path: a data set in any known layout, a COCO file by itself, or a folder with one such file.
        images: where the pictures of a file by itself lie; by default where tools put them.

    Raises:
        DataError: nothing to split there; or no pictures where they were looked for.
    """
    file = path if path.suffix.lower() == ".json" else None
    if file is None and images is None:
        try:
            splits = locate_splits(path)
        except DataError:
            file = _only_file(path)
            if file is None:
                raise
        else:
            return _with_train(path, splits)
    if file is None:
        raise DataError(f"{path} is no COCO file: --images is for a file by itself. Leave it out")
    folder = images or picture_folder(file)
    if folder is None or not folder.is_dir():
        where = f"in {images}" if images else f"beside {file}"
        raise DataError(f"no pictures of {file.name} {where}. Say where they lie: --images FOLDER")
    return {"train": SplitConfig(images=folder, annotations=file)}


def offered_split(train: SplitConfig, data: Path | None = None) -> str:
    """The two commands that hold a part of a set without val out, and train on the rest.

    Args:
        train: its one split.
        data: the path of the set; None where only a config names the split.
    """
    name = data.absolute().stem if data is not None else train.annotations.stem
    target = shlex.quote(str(free_file(Path(f"{name}-split"))))
    source = [str(data)]
    if data is None:
        source = [str(train.annotations), "--images", str(train.images)]
    first, *options = map(shlex.quote, source)
    words = " ".join([first, target, *options])
    return f"yolokit data split {words}, then train with --data {target}"


def _with_train(path: Path, splits: dict[str, SplitConfig]) -> dict[str, SplitConfig]:
    if "train" not in splits:
        raise DataError(f"{path} has no train split, only {', '.join(splits)}: nothing to split")
    return splits


def _only_file(path: Path) -> Path | None:
    """The one COCO file in a folder."""
    found = annotation_files(path) if path.is_dir() else []
    return found[0] if len(found) == 1 else None
