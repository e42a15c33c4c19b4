"""Names for what is written: none twice, none that is a source."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from yolokit.video.frames import Source

_UNSAFE = re.compile(r"[^\w.-]+")  # of a URL: slashes, colons, question marks


class OutputNames:
    """Hands out file names in one folder.

    Args:
        folder: where the files will lie; need not exist.
        sources: whose files are never to be overwritten.
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
            if _key(chosen) not in self._taken:
                break
        self._taken.add(_key(chosen))
        return chosen


def _stems(source: Source) -> Iterator[str]:
    """Without end: a source's own name, with its folder's, numbered."""
    if source.path is None:
        stem = _UNSAFE.sub("_", source.name).strip("_") or "stream"
    else:
        stem = source.path.stem
        yield stem
        stem = f"{source.path.absolute().parent.name}_{stem}"
    yield stem
    yield from (f"{stem}_{number}" for number in itertools.count(2))


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()  # some file systems do not tell case apart
