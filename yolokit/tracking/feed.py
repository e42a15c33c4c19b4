"""What Python hands over as a film: all that ``yolokit track`` takes, and pictures in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from yolokit.inference.sources import pixels_of
from yolokit.tracking.films import find_films
from yolokit.video.feed import frames_of
from yolokit.video.frames import Frame, Kind, Source


def film_frames(given: Any, *, fps: float) -> Iterator[Frame]:
    """The frames of a film, of a live source the newest.

    Args:
        given: the path of a film, a folder or glob of frames, an address, a camera's number; or
            pictures that are its frames, each a path, an array [H, W, 3] uint8 RGB or a PIL image.
        fps: frames a second of pictures.

    Raises:
        SourceError: a film, folder, glob or stream that cannot be read.
        ImageError: a picture that cannot be read.
        ValueError: what is no picture, or no frame rate.
    """
    if not 0 < fps < math.inf:
        raise ValueError(f"fps must be above 0, got {fps}")
    if isinstance(given, str | Path | int):
        return frames_of(find_films([str(given)], fps=fps))
    return _frames(given, fps)


def _frames(pictures: Iterable[Any], fps: float) -> Iterator[Frame]:
    film = Source("", Kind.VIDEO)
    for index, picture in enumerate(pictures):
        yield Frame(pixels_of(picture), film, index, index * 1000 / fps, fps)
