"""From sources to frames: decoding, with what cannot be read set aside and named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from yolokit.data.images import read_image
from yolokit.errors import ImageError
from yolokit.video.frames import Frame, Kind, Skipped, Source

DEFAULT_FPS = 25.0  # frames a second, where a camera or file does not say
_FPS_RANGE = (0.1, 1000.0)  # outside it a container states a clock rate, not a frame rate
_UNOPENED = {
    Kind.VIDEO: "cannot be opened. Is it a video, and complete?",
    Kind.STREAM: "cannot be opened. Is the camera connected and free, or the address right?",
}


class FrameReader:
    """Iterates over the frames of all sources, once.

    Decoding decides how many frames there are, not the number a container states: that may lie.

    Args:
        sources: read one after the other.

    Attributes:
        skipped: sources that gave no frame, filled while iterating.
        notes: sources that ended before the number of frames they state.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        for source in self.sources:
            if source.kind is Kind.IMAGE:
                yield from self._picture(source)
            else:
                yield from self._video(source)

    def _picture(self, source: Source) -> Iterator[Frame]:
        assert source.path is not None
        try:
            image = read_image(source.path)
        except ImageError as error:
            self.skipped.append(Skipped(source.name, str(error)))
            return
        yield Frame(image, source, index=0, pts_ms=0.0, fps=0.0)

    def _video(self, source: Source) -> Iterator[Frame]:
        capture = cv2.VideoCapture(_address(source))
        try:
            if not capture.isOpened():
                self.skipped.append(Skipped(source.name, _UNOPENED[source.kind]))
                return
            count = 0
            for frame in _decode(capture, source):
                count += 1
                yield frame
            self._note_end(source, count, capture.get(cv2.CAP_PROP_FRAME_COUNT))
        finally:
            capture.release()

    def _note_end(self, source: Source, count: int, stated: float) -> None:
        if count == 0:
            self.skipped.append(Skipped(source.name, "no frame could be decoded"))
        elif source.kind is Kind.VIDEO and math.isfinite(stated) and count < stated:
            self.notes.append(f"{source.name} states {stated:.0f} frames, {count} could be decoded")


def _decode(capture: cv2.VideoCapture, source: Source) -> Iterator[Frame]:
    stated = capture.get(cv2.CAP_PROP_FPS)
    fps = stated if _FPS_RANGE[0] <= stated <= _FPS_RANGE[1] else DEFAULT_FPS  # NaN fails too
    index, previous_ms = 0, -math.inf
    while True:
        ok, image = capture.read()
        if not ok:
            return
        pts_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
        if not (math.isfinite(pts_ms) and pts_ms > previous_ms):  # no clock, or one that stands
            pts_ms = max(index * 1000.0 / fps, previous_ms + 1000.0 / fps if index else 0.0)
        yield Frame(_rgb(image), source, index, pts_ms, fps)
        index, previous_ms = index + 1, pts_ms


def _rgb(image: MatLike) -> NDArray[np.uint8]:
    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _address(source: Source) -> str | int:
    address = source.address if source.path is None else str(source.path)
    assert address is not None
    return int(address) if source.path is None and address.isdecimal() else address
