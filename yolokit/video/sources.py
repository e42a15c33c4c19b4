"""From what a user names to sources: files, folders, globs, cameras, URLs, paths on stdin."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from yolokit.data.images import picture_format
from yolokit.errors import SourceError
from yolokit.video.frames import Kind, Source

IMAGE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm",
    ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".mpo", ".apng", ".tga",
    ".qoi",
}  # fmt: skip
# Pictures that are mostly unreadable: named one by one as skipped, never passed over in silence.
RAW_SUFFIXES = {
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".srw", ".pef",
}  # fmt: skip
_HARD_SUFFIXES = RAW_SUFFIXES | {".heic", ".heif", ".hif", ".jxl", ".psd", ".exr"}
VIDEO_SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".wmv", ".flv", ".3gp", ".ogv", ".gif", ".mjpg", ".mjpeg", ".vob", ".asf",
}  # fmt: skip
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive
_LOGIN = re.compile(r"(?<=://)[^/?#]*@")  # user:password, which belongs in no file and no message


def find_sources(words: Sequence[str], stdin: Iterable[str] = ()) -> list[Source]:
    """Every source that the words name, in their order; folders and globs sorted by name.

    Args:
        words: each a picture or video file (one without a suffix is looked into), a folder (its
            pictures and videos, not its subfolders), a glob (``**`` for subfolders), a
            camera's number, a URL, or ``-`` for paths on ``stdin``, one a line.
        stdin: lines that ``-`` stands for.

    Raises:
        SourceError: a word names nothing.
    """
    sources: list[Source] = []
    for word in words:
        if word != "-":
            sources += _expand(word)
            continue
        listed = [source for line in stdin if line.strip() for source in _listed(line.strip())]
        if not listed:
            raise SourceError("no path arrived on stdin. Pipe in one path a line")
        sources += listed
    return sources


def find_named(word: str) -> list[Source]:
    """What one word names, as ``find_sources``; a path that is gone is left to fail when read.

    Raises:
        SourceError: a folder or glob without a picture or video.
    """
    path = Path(word)
    named = path.exists() or word.isdecimal() or _URL.match(word) or glob.has_magic(word)
    return list(_expand(word)) if named else [Source(word, Kind.IMAGE, path)]


def _expand(word: str) -> Iterator[Source]:
    path = Path(word)
    if path.is_dir():
        yield from _folder(path)
    elif path.exists():
        yield _file(path)
    elif word.isdecimal() or _URL.match(word):
        yield _stream(word)
    elif glob.has_magic(word):
        yield from _glob(word)
    else:
        raise SourceError(f"no source {word!r}. Give a file, folder, glob, camera number or URL")


def _stream(address: str) -> Source:
    return Source(_LOGIN.sub("", address), Kind.STREAM, address=address)


def _listed(line: str) -> list[Source]:
    """What a line of stdin names; a path that is gone is left to fail when it is read."""
    try:
        return list(_expand(line))
    except SourceError:
        return [Source(line, Kind.IMAGE, Path(line))]


def _file(path: Path) -> Source:
    if path.is_char_device():  # /dev/video0
        return _stream(str(path))
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | _HARD_SUFFIXES:
        return Source(str(path), Kind.IMAGE, path)
    is_video = suffix in VIDEO_SUFFIXES or picture_format(path) in (None, "GIF", "MPEG")
    return Source(str(path), Kind.VIDEO if is_video else Kind.IMAGE, path)


def _folder(folder: Path) -> Iterator[Source]:
    visible = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    files = [path for path in visible if _is_media(path) and path.is_file()]
    if not files:
        raise SourceError(
            f"no picture or video in {folder}. Subfolders are reached with '{folder}/**/*.jpg'"
        )
    yield from map(_file, files)


def _is_media(path: Path) -> bool:
    """By its suffix; a file without one is looked into."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES | _HARD_SUFFIXES:
        return True
    return suffix == "" and path.is_file() and picture_format(path) is not None


def _glob(pattern: str) -> Iterator[Source]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - takes absolute ones too
    files = [path for path in map(Path, names) if path.is_file()]
    if not files:
        raise SourceError(f"no file matches {pattern!r}. Check the pattern")
    yield from map(_file, [path for path in files if _is_media(path)] or files)
