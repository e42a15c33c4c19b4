"""Picture files of a folder, and their sizes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from yolokit.data.images import picture_size
from yolokit.machine import usable_cpus

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".mpo",
        ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".jp2", ".avif", ".heic", ".heif",
    }
)  # fmt: skip


def is_there(path: Path) -> bool:
    """Whether a path that a label file states leads anywhere; no name is too odd to ask for."""
    return os.path.exists(path)  # noqa: PTH110 - pathlib raises for names that no system takes


def is_file(path: Path) -> bool:
    """Whether it leads to a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether it leads to a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def is_picture(path: Path) -> bool:
    """By its name: pictures of a data set have a known suffix; what begins with a dot is none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def pictures_under(folder: Path) -> list[Path]:
    """All pictures in a folder and those below it, ordered by path."""
    found, seen = [], set()
    for parent, below, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link to a folder above it
            below.clear()
            continue
        seen.add(real)
        found += [path for path in map(Path(parent).joinpath, names) if is_picture(path)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in the folder itself."""
    return folder.is_dir() and any(is_picture(path) for path in folder.iterdir())


def sizes_hw(paths: Sequence[Path]) -> Iterable[tuple[int, int]]:
    """Upright (height, width) of each picture, by its header; (0, 0) where it cannot be read."""
    with ThreadPoolExecutor(usable_cpus()) as pool:
        yield from pool.map(picture_size, paths)


def relative_name(path: Path, folder: Path) -> str:
    """A picture's name as seen from a folder, with ``/`` between folders."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def text_of(path: Path) -> str:
    """A text file in UTF-8 or 16, with or without a byte order mark.

    Raises:
        OSError: unreadable.
        ValueError: in another encoding, or a name that no file can have.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")
