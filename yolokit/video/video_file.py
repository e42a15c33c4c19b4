"""A video file that survives a crash and plays where people are.

OpenCV's wheels carry no H.264 encoder (its licence). What they have, in milliseconds of a processor
a frame of 640×360: MPEG-4 1, VP8 19, VP9 170. Browsers play the latter two only, players all three.
So MPEG-4 it is unless VP8 is asked for: at 1920×1080 that takes longer than detecting.

An .mp4 is worthless until its index is written at the end; a .mkv or .webm can be played up to the
last second whenever writing stopped. So a .mkv is written beside an .mp4, for as long again, and
goes once that is whole; a .webm takes its final name when it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.errors import SourceError

VideoFormat: TypeAlias = Literal["mp4", "webm"]

_CODECS = {".mp4": "mp4v", ".webm": "VP80"}
_RESCUES = {".mp4": ".mkv", ".webm": ".webm"}  # what plays though its writing was cut short
_CLOCK_S = 0.001  # what Matroska and WebM round times to
_MOST_TICKS = 65535  # MPEG-4 counts time in at most so many parts of a second
_EPSILON = 1e-6  # frames; what rounding makes of a place that is a whole number
_LONGEST_GAP_MS = 600_000.0  # between two frames; a longer one is a clock that was set anew


class VideoFile:
    """Writes frames of one size; ``path`` appears when it is closed.

    Args:
        path: the final name, ending in .mp4 or .webm; its folder is created.
        size_wh: (width, height) of the first frame, pixels; later frames are scaled to it. An
            odd side is extended by one pixel, which the codec needs.
        fps: frames a second; rounded where the codec cannot count so finely (above 65).

    Attributes:
        repeated: frames shown longer than one period, counted for each further period.
        dropped: frames left out because they came too close after another.

    Raises:
        SourceError: no encoder, or the folder cannot be written.
    """

    def __init__(self, path: Path, *, size_wh: tuple[int, int], fps: float) -> None:
        self.path = path
        self.frames = self.repeated = self.dropped = 0
        self.fps = encodable_fps(fps)
        self._start_ms: float | None = None
        self._last: NDArray[np.uint8] | None = None
        self._size_wh = size_wh
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rescue = rescue_of(path)
        self._whole = self.rescue
        if path.suffix != self.rescue.suffix:
            self._whole = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        even_wh = (size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2)
        self._writers = []
        for target in dict.fromkeys((self._whole, self.rescue)):
            code = cv2.VideoWriter.fourcc(*_CODECS[path.suffix])
            writer = cv2.VideoWriter(str(target), cv2.CAP_FFMPEG, code, self.fps, even_wh)
            if not writer.isOpened():
                self.abort()
                raise SourceError(
                    f"cannot write video {target}. Check the folder, and that OpenCV has FFmpeg "
                    "(yolokit env), or leave the video out with --no-save-video"
                )
            self._writers.append(writer)

    def write(self, image: NDArray[np.uint8], *, at_ms: float | None = None) -> None:
        """Add a frame.

        The file's frames are evenly spaced. A frame that is due later than its place makes the one
        before it last longer; one that is due more than a period before its place is dropped.

        Args:
            image: [H, W, 3] uint8 RGB.
            at_ms: when it is shown, milliseconds on the source's clock; None: right after the last.
        """
        bgr = self._fitted(image)
        place = float(self.frames) if at_ms is None else self._place(at_ms)
        if place < self.frames - 1 - _EPSILON:
            self.dropped += 1
            return
        while self._last is not None and self.frames + 1 <= place + _EPSILON:
            self._append(self._last)
            self.repeated += 1
        self._append(bgr)
        self._last = bgr

    def _place(self, at_ms: float) -> float:
        """Where on the file's even time line a moment lies, in frames."""
        if self._start_ms is None:
            self._start_ms = at_ms
        end_ms = self._start_ms + self.frames * 1000 / self.fps
        if at_ms - end_ms > _LONGEST_GAP_MS:
            self._start_ms += at_ms - end_ms
        return (at_ms - self._start_ms) * self.fps / 1000

    def _append(self, bgr: NDArray[np.uint8]) -> None:
        for writer in self._writers:
            writer.write(bgr)
        self.frames += 1

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """BGR, of the file's size."""
        height, width = image.shape[:2]
        if (width, height) != self._size_wh:
            image = np.asarray(cv2.resize(image, self._size_wh), dtype=np.uint8)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        odd_w, odd_h = (side % 2 for side in self._size_wh)
        if odd_w or odd_h:
            bgr = cv2.copyMakeBorder(bgr, 0, odd_h, 0, odd_w, cv2.BORDER_REPLICATE)
        return np.asarray(bgr, dtype=np.uint8)

    def close(self) -> None:
        """Write the index and give the file its name.

        Raises:
            SourceError: not all frames are in it, so it keeps its temporary name.
        """
        self._release()
        stored = _count_frames(self._whole)  # the encoder does not report a full disk
        if abs(stored - self.frames) > self.fps * _CLOCK_S:
            raise SourceError(
                f"video {self.path} holds {stored} of {self.frames} frames. Is the disk full? "
                f"What could be saved is in {self.rescue}"
            )
        self._whole.replace(self.path)
        self.rescue.unlink(missing_ok=True)

    def abort(self) -> None:
        """Keep only ``rescue``, which plays as far as it goes."""
        self._release()
        if self._whole != self.rescue:
            self._whole.unlink(missing_ok=True)

    def _release(self) -> None:
        for writer in self._writers:
            writer.release()


def rescue_of(path: Path) -> Path:
    """Where a video is that was cut short before it took its name."""
    return path.with_name(f"{path.stem}.part{_RESCUES[path.suffix]}")


def fastest_fps(stated: float, times_ms: Sequence[float]) -> float:
    """A rate at which no frame is lost, where a container states the mean of an uneven one.

    Args:
        stated: frames a second.
        times_ms: when the first frames are shown.

    Returns:
        What the first frames say where that is faster; ``stated`` within a hundredth, for some
        containers round times to milliseconds.
    """
    steps = [after - before for before, after in pairwise(times_ms)]
    if not steps:
        return stated
    middle = sorted(steps)[(len(steps) - 1) // 2]
    usual = [step for step in steps if step < 1.5 * middle]  # without the gaps
    seen = 1000 / max(sum(usual) / len(usual), 1.0) if usual else stated
    return seen if seen > 1.01 * stated else stated


def encodable_fps(fps: float) -> float:
    """The nearest frame rate that MPEG-4 can state: a decimal of at most 65535 units."""
    for digits in (3, 2, 1):
        if round(fps, digits) * 10**digits <= _MOST_TICKS:
            return round(fps, digits)
    return float(min(round(fps), _MOST_TICKS))


def _count_frames(path: Path) -> int:
    """As the file's index states; it is our own, so it can be believed."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
