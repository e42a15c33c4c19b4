"""One reader for every split, whatever format its labels have."""

from __future__ import annotations

from collections.abc import Callable

from yolokit.data.coco_file import read_tree
from yolokit.data.coco_tree import CocoTree
from yolokit.data.formats.picture_names import with_found_names
from yolokit.data.formats.voc import read_voc
from yolokit.data.formats.yolo import read_yolo
from yolokit.sections import LabelFormat, SplitConfig

Progress = Callable[[float], None]


def read_split(split: SplitConfig, *, progress: Progress | None = None) -> CocoTree:
    """The tree of a split, with every fault of its labels listed.

    Args:
        split: as ``locate_splits`` or a configuration gives it.
        progress: is called with the share that is read.

    Raises:
        DataError: labels that cannot be read at all.
    """
    return _READERS[split.format](split, progress=progress)


def _read_coco(split: SplitConfig, *, progress: Progress | None = None) -> CocoTree:
    return with_found_names(read_tree(split.annotations, progress=progress), split.images)


_READERS: dict[LabelFormat, Callable[..., CocoTree]] = {
    "coco": _read_coco,
    "yolo": read_yolo,
    "voc": read_voc,
}
