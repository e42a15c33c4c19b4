"""What there is to split: a COCO file by itself, or the training part of a set."""

from __future__ import annotations

import shlex
from pathlib import Path

from yolokit.data.locate import locate_splits
from yolokit.data.lone_files import picture_folder
from yolokit.data.split_names import WHOLE
from yolokit.errors import DataError
from yolokit.files import free_file
from yolokit.sections import SplitConfig


def find_unsplit(path: Path, images: Path | None = None) -> dict[str, SplitConfig]:
    """The splits of a set; of one that knows none, all of it as ``train``.

    Args:
        path: a data set as ``locate_splits`` takes it; a COCO file by itself among them.
        images: where the pictures of a file by itself lie; by default where tools put them.

    Raises:
        DataError: nothing to split there; or no pictures where they were looked for.
    """
    if path.suffix.lower() == ".json":
        return {"train": _lone_split(path, images)}
    if images is not None:
        raise DataError(f"{path} is no COCO file: --images is for a file by itself. Leave it out")
    splits = locate_splits(path)
    if WHOLE in splits:
        return {"train": splits[WHOLE]}
    if "train" not in splits:
        raise DataError(f"{path} has no train split, only {', '.join(splits)}: nothing to split")
    return splits


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


def _lone_split(file: Path, images: Path | None) -> SplitConfig:
    if not file.is_file():
        raise DataError(f"no data at {file}. Give a COCO file or a data set")
    folder = images or picture_folder(file)
    if folder is None or not folder.is_dir():
        where = f"in {images}" if images else f"beside {file}"
        raise DataError(f"no pictures of {file.name} {where}. Say where they lie: --images FOLDER")
    return SplitConfig(images=folder, annotations=file)
