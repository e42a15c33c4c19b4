"""What Python hands over as sources: all that ``yolokit detect`` takes, and pictures in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.errors import SourceError
from yolokit.inference.sources import pixels_of
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.pipeline import decoded
from yolokit.video.reader import FrameReader
from yolokit.video.sources import find_named

Given: TypeAlias = str | Path | int | NDArray[np.uint8] | Image.Image


def sources_of(given: Sequence[Any]) -> list[Any]:
    """Each picture, video or stream that is named as a ``Source``; what is in memory as it is.

    Args:
        given: paths, folders, globs, addresses, numbers of cameras; arrays, PIL images.

    Raises:
        SourceError: a folder or glob without a picture or video.
        ValueError: a flag, or a number below zero.
    """
    return [source for each in given for source in _sources(each)]


def moves(source: Any) -> bool:
    """Whether it is a video or a stream."""
    return isinstance(source, Source) and source.kind is not Kind.IMAGE


def picture_of(source: Any) -> Any:
    """What ``Predictor.predict`` takes: a picture's path, or what is in memory."""
    return source.path if isinstance(source, Source) else source


def frames_of(given: Iterable[Any]) -> Iterator[Frame]:
    """Picture by picture and frame by frame; of a live source the newest.

    Args:
        given: as for ``sources_of``, or what that gave; taken one by one.

    Raises:
        SourceError: a video or stream that cannot be read.
        ImageError: a picture that cannot be read.
        ValueError: what is no picture.
    """
    for each in given:
        for source in [each] if isinstance(each, Source) else _sources(each):
            if moves(source):
                yield from _moving(source)
            else:
                image = pixels_of(picture_of(source))
                still = source if isinstance(source, Source) else Source("", Kind.IMAGE)
                yield Frame(image, still, index=0, pts_ms=0.0, fps=0.0)


def _moving(source: Source) -> Iterator[Frame]:
    reader = FrameReader([source])
    yield from decoded(reader, threading.Event())
    if reader.skipped:
        raise SourceError(str(reader.skipped[0]))


def _sources(each: Any) -> list[Any]:
    if isinstance(each, bool) or (isinstance(each, int) and each < 0):
        raise ValueError(f"expected the number of a camera, got {each}")
    if isinstance(each, str | Path | int):
        return find_named(str(each))
    return [each]
