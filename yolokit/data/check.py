"""Look at every picture of a split before training starts, and name all that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_file import read_tree
from yolokit.data.images import verify_image
from yolokit.errors import DataError
from yolokit.machine import usable_cpus
from yolokit.sections import SplitConfig
from yolokit.types import ImageId

_SHOWN = 20  # pictures named in the one-line error
_SMALL_BYTES = 2**22  # of an annotation file: read in a tenth of a second
_ENDS_BYTES = 2**10


class ImageProblem(NamedTuple):
    """A picture that cannot be used: missing, truncated, undecodable, or of the wrong size."""

    image_id: ImageId
    path: Path
    reason: str


def require_labels(splits: Iterable[SplitConfig]) -> None:
    """Refuse splits whose annotation file is not there, or is plainly no whole JSON.

    Small files are read; of large ones, which take seconds, the ends are looked at.

    Raises:
        DataError: naming the first.
    """
    for split in splits:
        if not split.annotations.exists():
            raise DataError(f"no annotation file at {split.annotations}. Check the path")
        if split.format == "coco" and not _may_be_json(split.annotations):
            read_tree(split.annotations)  # says what is wrong with it


def _may_be_json(path: Path) -> bool:
    """Whether a large file begins and ends as JSON does; False for a small one."""
    if path.stat().st_size <= _SMALL_BYTES:
        return False
    with path.open("rb") as file:
        head = file.read(_ENDS_BYTES)
        file.seek(-_ENDS_BYTES, os.SEEK_END)
        tail = file.read()
    return b"{" in head and tail.rstrip(b" \t\r\n\0").endswith(b"}")


def check_images(
    dataset: CocoDataset,
    workers: int | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[ImageProblem]:
    """Decode every picture once and compare its size with the annotation file.

    Args:
        dataset: the split.
        workers: threads that decode; by default one a core. Decoding releases Python's lock.
        progress: is called with the share that is done.

    Returns:
        Every problem, in file order; empty where all is well.
    """
    threads = max(1, workers if workers is not None else usable_cpus())
    with ThreadPoolExecutor(threads) as pool:
        reasons = []
        for reason in pool.map(lambda index: _problem(dataset, index), range(len(dataset))):
            reasons.append(reason)
            if progress is not None:
                progress(len(reasons) / len(dataset))
    return [
        ImageProblem(dataset.image_id(index), dataset.image_path(index), reason)
        for index, reason in enumerate(reasons)
        if reason is not None
    ]


def require_good_images(problems: Sequence[ImageProblem], dataset: CocoDataset) -> None:
    """Raise one error that names the pictures with problems, if there are any.

    Raises:
        DataError: how many of how many, and the first twenty with the reason.
    """
    if not problems:
        return
    named = "; ".join(f"{each.path.name} ({each.reason})" for each in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise DataError(
        f"{len(problems)} of {len(dataset)} pictures of {dataset.annotations} cannot be used: "
        f"{named}{more}. Repair them or remove them from the annotation file"
    )


def _problem(dataset: CocoDataset, index: int) -> str | None:
    facts = verify_image(dataset.image_path(index))
    if isinstance(facts, str):
        return facts
    height, width = dataset.sizes_hw[index].tolist()
    if facts.upright_hw == (height, width):
        return None
    found = f"{facts.upright_hw[1]}x{facts.upright_hw[0]}"
    if facts.quarter_turned and facts.upright_hw == (width, height):
        return (
            f"is {found} once its EXIF orientation is applied, the annotation file says "
            f"{width}x{height}: its boxes may be drawn on the unturned pixels. Remove the EXIF "
            "tag if so, else swap width and height in the file"
        )
    return f"is {found}, the annotation file says {width}x{height}"
