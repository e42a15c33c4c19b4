"""From what a user names to films: pictures that belong together are the frames of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from yolokit.errors import SourceError
from yolokit.video.frames import Kind, Source
from yolokit.video.sources import find_sources

FRAMES_FPS = 25.0  # frames a second of a folder of frames, which cannot say it
_NUMBER = re.compile(r"(\d+)")


def find_films(words: Sequence[str], stdin: Iterable[str] = (), *, fps: float) -> list[Source]:
    """Every film that the words name, in their order.

    The pictures of a folder or glob are one film; so are all that are named one by one, for a
    shell does that with ``shots/*.jpg``. Their order is that of the numbers in their names; on
    ``stdin`` it is that of the lines.

    Args:
        words: as for ``find_sources``.
        stdin: lines that ``-`` stands for.
        fps: frames a second of a film of pictures.

    Raises:
        SourceError: a word names nothing, or a single picture.
    """
    films: list[Source] = []
    loose: list[Source] = []
    for word in words:
        named = find_sources([word], stdin)
        pictures = [source for source in named if source.kind is Kind.IMAGE]
        films += [source for source in named if source.kind is not Kind.IMAGE]
        if len(pictures) == 1 and pictures[0].name == word:
            loose += pictures
        elif pictures:
            films.append(_film(word, pictures, fps, in_order=word == "-"))
    return films + ([_film("", loose, fps)] if loose else [])


def _film(word: str, pictures: list[Source], fps: float, *, in_order: bool = False) -> Source:
    if len(pictures) == 1:
        raise SourceError(
            f"{pictures[0].name} is one picture, in which nothing moves. Give a film, a camera or "
            "a folder of frames; `yolokit detect` takes pictures"
        )
    paths = list(_paths(pictures))
    folder = paths[0].absolute().parent
    paths = paths if in_order else sorted(paths, key=_by_number)
    name = word if word not in ("", "-") else str(paths[0].parent)
    return Source(name, Kind.VIDEO, folder, frames=tuple(paths), fps=fps)


def _paths(pictures: list[Source]) -> Iterator[Path]:
    for picture in pictures:
        assert picture.path is not None  # an address is a stream until it is asked
        yield picture.path


def _by_number(path: Path) -> list[tuple[int, str]]:
    """``2.jpg`` before ``10.jpg``."""
    parts = _NUMBER.split(str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
