"""A video file that survives a crash and plays where people are.

H.264 plays in browsers and players; the user's own ``ffmpeg`` writes it, where there is one. What
OpenCV's wheels have instead, in milliseconds of a processor a frame of 640×360: MPEG-4 1, VP8 19,
VP9 170. Browsers play the latter two only, players all three. So without ``ffmpeg`` it is MPEG-4
unless VP8 is asked for: at 1920×1080 that takes longer than detecting.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.video.encoders import Encoder, OpenCvEncoder
from yolokit.video.ffmpeg import FfmpegEncoder

VideoFormat: TypeAlias = Literal["mp4", "webm"]

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
        ffmpeg: the program that writes an .mp4 as H.264; None: OpenCV writes MPEG-4.

    Attributes:
        rescue: where it plays as far as it goes until then.
        for_browsers: whether browsers play it.
        repeated: frames shown longer than one period, counted for each further period.
        dropped: frames left out because they came too close after another.

    Raises:
        SourceError: no encoder, or the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        size_wh: tuple[int, int],
        fps: float,
        ffmpeg: str | None = None,
    ) -> None:
        self.path = path
        self.frames = self.repeated = self.dropped = 0
        self.fps = encodable_fps(fps)
        self._start_ms: float | None = None
        self._last: NDArray[np.uint8] | None = None
        self._size_wh = size_wh
        path.parent.mkdir(parents=True, exist_ok=True)
        even_wh = (size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2)
        self._encoder = _encoder(path, even_wh, self.fps, ffmpeg)
        self.rescue, self.for_browsers = self._encoder.rescue, self._encoder.for_browsers

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
        self._encoder.write(bgr)
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
        self._encoder.finish(self.frames)

    def abort(self) -> None:
        """Keep only ``rescue``, which plays as far as it goes."""
        self._encoder.abort()


def _encoder(path: Path, size_wh: tuple[int, int], fps: float, ffmpeg: str | None) -> Encoder:
    if ffmpeg is not None and path.suffix == ".mp4":
        return FfmpegEncoder(path, program=ffmpeg, size_wh=size_wh, fps=fps)
    return OpenCvEncoder(path, size_wh=size_wh, fps=fps)


def rescues_of(path: Path) -> list[Path]:
    """Where a video may be that was cut short before it took its name."""
    suffixes = (".mkv", ".mp4") if path.suffix == ".mp4" else (path.suffix,)
    return [path.with_name(f"{path.stem}.part{suffix}") for suffix in suffixes]


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
