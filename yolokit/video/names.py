"""Names for what is written: none twice, none that is a source."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from yolokit.video.frames import Source
from yolokit.video.video_file import rescues_of

_VIDEOS = (".mp4", ".webm")
_UNSAFE = re.compile(r"[^\w.-]+")  # of a URL: slashes, colons, question marks
_LONGEST_STEM = 200  # bytes; systems take names of 255, and temporary ones are longer than final


class OutputNames:
    """Hands out file names in one folder.

    Args:
        folder: where the files will lie; need not exist.
        sources: whose files are never to be overwritten.

    What lies in the folder already, from an earlier run or from the user, is not overwritten
    either.
    """

    def __init__(self, folder: Path, sources: Iterable[Source]) -> None:
        self.folder = folder
        self._taken = {_key(source.path) for source in sources if source.path is not None}

    def name(self, source: Source, suffix: str) -> Path:
        """A path for a source's output: its own name, after its folder's where that is taken.

        Args:
            source: whose output.
            suffix: of the file, with its dot.
        """
        for stem in _stems(source):
            chosen = self.folder / (stem + suffix)
            parts = rescues_of(chosen) if suffix in _VIDEOS else []
            there = any(path.exists() for path in (chosen, *parts))
            if _key(chosen) not in self._taken and not there:
                break
        self._taken.add(_key(chosen))
        return chosen

    def stem(self, source: Source) -> str:
        """As ``name``, for files in a new folder that are numbered or have several suffixes."""
        return self.name(source, "").name


def _stems(source: Source) -> Iterator[str]:
    """Without end: a source's own name, with its folder's, numbered."""
    stem = _UNSAFE.sub("_", source.name).strip("_") or "stream"
    if source.path is not None:
        yield _short(source.path.stem)
        stem = f"{source.path.absolute().parent.name}_{source.path.stem}"
    elif source.file_name is not None:  # a picture's address
        yield _short(_UNSAFE.sub("_", source.file_name.stem).strip("_.") or stem)
    stem = _short(stem)
    yield stem
    yield from (f"{stem}_{number}" for number in itertools.count(2))


def _short(stem: str) -> str:
    """Its beginning, where it is too long for a name that grows."""
    whole = os.fsencode(stem)
    return stem if len(whole) <= _LONGEST_STEM else whole[:_LONGEST_STEM].decode(errors="ignore")


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()  # some file systems do not tell case apart
