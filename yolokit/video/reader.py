"""From sources to frames: decoding, with what cannot be read set aside and named."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from yolokit.data.images import decode_image, picture_count, read_image
from yolokit.errors import ImageError, SourceError
from yolokit.video.frames import Frame, Kind, Skipped, Source
from yolokit.video.sources import RAW_SUFFIXES

DEFAULT_FPS = 25.0  # frames a second, where a camera or file does not say
_FPS_RANGE = (0.1, 1000.0)  # outside it a container states a clock rate, not a frame rate
_MOST_FRAMES = 10**9  # a year of film; more is a container that does not know
_UNOPENED = {
    Kind.VIDEO: "cannot be opened. Is it a video, and complete?",
    Kind.STREAM: "cannot be opened. Is the camera connected and free, or the address right?",
}
_TICK_MS = 0.001  # two frames that arrive within one tick of the clock
_PAGE = "is a web page. Give the address of the picture or stream itself"
_RAW = "is a camera's raw file, which needs developing. Save it as JPEG or TIFF"


class FrameReader:
    """Iterates over the frames of all sources, once.

    Decoding decides how many frames there are, not the number a container states: that may lie.

    Args:
        sources: read one after the other.
        clock: seconds, from any start; when a frame of a live source arrives.

    Attributes:
        skipped: sources that gave no frame, filled while iterating.
        notes: sources that were read in part.
        broken_off: whether a live source stopped sending.
    """

    def __init__(
        self, sources: Sequence[Source], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sources = sources
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self.broken_off = False
        self._clock = clock

    def __iter__(self) -> Iterator[Frame]:
        return self.read(self.sources)

    def read(self, sources: Sequence[Source]) -> Generator[Frame, None, None]:
        """The frames of some of them."""
        for source in sources:
            if source.kind is Kind.IMAGE:
                yield from self._picture(source)
            elif source.frames:
                yield from self._pictures_as_film(source)
            elif source.address is not None and source.address.startswith(("http:", "https:")):
                yield from self._address(source)
            else:
                yield from self._video(source)

    def _picture(self, source: Source) -> Iterator[Frame]:
        assert source.path is not None
        if source.path.suffix.lower() in RAW_SUFFIXES:
            self.skipped.append(Skipped(source.name, _RAW))
            return
        try:
            image = read_image(source.path)
        except ImageError as error:
            self.skipped.append(Skipped(source.name, str(error)))
            return
        count = picture_count(source.path)
        if count > 1:
            self.notes.append(f"{source.name} holds {count} pictures; only the first was read")
        yield Frame(image, source, index=0, pts_ms=0.0, fps=0.0)

    def _pictures_as_film(self, source: Source) -> Iterator[Frame]:
        """One that cannot be read is skipped, and its time passes."""
        for index, path in enumerate(source.frames):
            try:
                image = read_image(path)
            except ImageError as error:
                self.skipped.append(Skipped(str(path), str(error)))
                continue
            at_ms = index * 1000 / source.fps
            yield Frame(image, source, index, at_ms, source.fps, total=len(source.frames))

    def _address(self, source: Source) -> Iterator[Frame]:
        assert source.address is not None
        from yolokit.video.web import ask  # http and ssl, for addresses alone

        answer = ask(source.address)
        if answer.page:
            self.skipped.append(Skipped(source.name, _PAGE))
        elif answer.picture is None:
            yield from self._video(source)
        else:
            try:
                image = decode_image(answer.picture, name=source.name)
            except ImageError as error:
                self.skipped.append(Skipped(source.name, str(error)))
                return
            picture = replace(source, kind=Kind.IMAGE)
            yield Frame(image, picture, index=0, pts_ms=0.0, fps=0.0)

    def _video(self, source: Source) -> Iterator[Frame]:
        capture = cv2.VideoCapture(_address(source))
        try:
            if not capture.isOpened():
                self.skipped.append(Skipped(source.name, _UNOPENED[source.kind]))
                return
            stated = capture.get(cv2.CAP_PROP_FRAME_COUNT)  # of a camera or live stream: none
            live = source.kind is Kind.STREAM and not stated > 0
            count = 0
            for frame in _decode(capture, source, self._clock if live else None):
                count += 1
                yield frame
            self._note_end(source, count, stated, live)
        finally:
            capture.release()

    def _note_end(self, source: Source, count: int, stated: float, live: bool) -> None:
        if count == 0:
            self.skipped.append(Skipped(source.name, "no frame could be decoded"))
        elif live:
            self.broken_off = True
            self.notes.append(
                f"{source.name} stopped sending after {count} frames. Is the camera on, and the "
                "connection whole?"
            )
        elif math.isfinite(stated) and count < stated:
            self.notes.append(f"{source.name} states {stated:.0f} frames, {count} could be decoded")


def unreadable(skipped: Sequence[Skipped], sources: int) -> SourceError:
    """What to say where none of so many sources could be read."""
    more = f" ({sources} sources, none of them readable)" if sources > 1 else ""
    return SourceError(f"{skipped[0]}{more}")


def _decode(
    capture: cv2.VideoCapture, source: Source, clock: Callable[[], float] | None
) -> Iterator[Frame]:
    """Frames with their times: the container's, or those of a live source's arrivals by a clock."""
    stated = capture.get(cv2.CAP_PROP_FPS)
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    total = int(count) if clock is None and 0 < count < _MOST_FRAMES else 0  # NaN is neither
    fps = stated if _FPS_RANGE[0] <= stated <= _FPS_RANGE[1] else DEFAULT_FPS  # NaN fails too
    index, previous_ms, start = 0, -math.inf, None
    while True:
        ok, image = capture.read()
        if not ok:
            return
        if clock is None:
            pts_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
        else:
            now = clock()
            start = now if start is None else start
            pts_ms = (now - start) * 1000
        if not (math.isfinite(pts_ms) and pts_ms > previous_ms):  # no clock, or one that stands
            pts_ms = _next_ms(index, previous_ms, fps) if clock is None else previous_ms + _TICK_MS
        yield Frame(_rgb(image), source, index, pts_ms, fps, live=clock is not None, total=total)
        index, previous_ms = index + 1, pts_ms


def _next_ms(index: int, previous_ms: float, fps: float) -> float:
    """By the frame rate, after the frame before."""
    return max(index * 1000.0 / fps, previous_ms + 1000.0 / fps if index else 0.0)


def _rgb(image: MatLike) -> NDArray[np.uint8]:
    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _address(source: Source) -> str | int:
    address = source.address if source.path is None else str(source.path)
    assert address is not None
    return int(address) if source.path is None and address.isdecimal() else address
