"""What moves through the video pipeline: a source and the frames that come from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
        address: what to open for a camera or URL.
        image_id: its id in a COCO file, where it comes from a data set.
    """

    name: str
    kind: Kind
    path: Path | None = None
    address: str | None = None
    image_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Args:
        image: [H, W, 3] uint8 RGB, upright.
        source: where it comes from.
        index: its number in the source, from 0.
        pts_ms: when it is shown, milliseconds from the source's start.
        fps: the source's frames a second, not rounded; 0 for a picture.
    """

    image: NDArray[np.uint8]
    source: Source
    index: int
    pts_ms: float
    fps: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source that could not be read, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.name in self.reason else f"{self.name} {self.reason}"
