"""What moves through the video pipeline: a source and the frames that come from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from yolokit.types import ImageId


class Kind(Enum):
    """How a source is read."""

    IMAGE = "image"
    VIDEO = "video"
    STREAM = "stream"  # camera or URL: no end that is known, nothing to overwrite


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One picture, video or stream, told apart by identity: a file may be asked for twice.

    Args:
        name: as the user wrote it, or as a folder or glob led to it; a URL without its password.
        kind: how it is read.
        path: the file; None for a camera or URL.
        address: what to open for a camera or URL; a picture may have one, too.
        image_id: its id in a COCO file, where it comes from a data set.
        frames: pictures that are one film, in their order; ``path`` is their folder then.
        fps: frames a second of such a film.
    """

    name: str
    kind: Kind
    path: Path | None = None
    address: str | None = None
    image_id: ImageId | None = None
    frames: tuple[Path, ...] = ()
    fps: float = 0.0

    @property
    def file_name(self) -> PurePath | None:
        """The path of the file, or within a picture's address; None for a stream."""
        if self.path is not None:
            return self.path
        if self.kind is Kind.IMAGE:
            return PurePosixPath(unquote(urlsplit(self.name).path))
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Args:
        image: [H, W, 3] uint8 RGB, upright.
        source: where it comes from.
        index: its number in the source, from 0.
        pts_ms: when it is shown, milliseconds from the source's start; of a live source, when it
            arrived, from the arrival of the first.
        fps: the source's frames a second, not rounded; 0 for a picture.
        live: comes as it happens, from a source that does not wait; a newer one takes its place.
        total: frames that its container states, which may lie; 0 where it states none.
    """

    image: NDArray[np.uint8]
    source: Source
    index: int
    pts_ms: float
    fps: float
    live: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source that could not be read, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.name in self.reason else f"{self.name} {self.reason}"
