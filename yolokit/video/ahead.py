"""What can be known of sources before a model is loaded: which open, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from yolokit.video.frames import Frame, Kind, Skipped, Source
from yolokit.video.reader import FrameReader, unreadable


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a first look found.

    Args:
        readable: the sources but for films that cannot be read; pictures and streams are believed.
        skipped: those films, and why.
        sizes: (height, width) of the first frame of each film that lies on the disk, pixels.
    """

    readable: list[Source] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    sizes: dict[Source, tuple[int, int]] = field(default_factory=dict)


def look_ahead(sources: Sequence[Source]) -> Ahead:
    """Decode the first frame of every film; where there is none, that of the first good picture.

    Nothing is taken from a camera, a stream or a pipe: it would be missing later.

    Raises:
        SourceError: none of the sources can be read.
    """
    found = Ahead()
    for source in sources:
        if not _can_wait(source) or source.kind is Kind.IMAGE:
            found.readable.append(source)
        elif (frame := _first(source, found.skipped)) is not None:
            found.readable.append(source)
            found.sizes[source] = frame.image.shape[0], frame.image.shape[1]
    if found.sizes or not all(map(_can_wait, found.readable)):
        return found
    bad: list[Skipped] = []
    if any(_first(source, bad) is not None for source in found.readable):
        return found
    raise unreadable([*found.skipped, *bad], len(sources))


def _can_wait(source: Source) -> bool:
    """Whether what is read of it now can be read again."""
    if source.path is None:
        return False
    return bool(source.frames) or not source.path.exists() or source.path.is_file()


def _first(source: Source, skipped: list[Skipped]) -> Frame | None:
    """Its first frame; where there is none, the reasons are added."""
    reader = FrameReader([source])
    with closing(reader.read([source])) as frames:
        frame = next(frames, None)
    if frame is None:
        skipped += reader.skipped
    return frame
