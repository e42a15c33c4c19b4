"""What stores the frames of a video: whole under their name, or recoverable."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.errors import SourceError
from yolokit.video.remarks import without_remark
from yolokit.video.remux import remux_mpeg4

_CODECS = {".mp4": "mp4v", ".webm": "VP80"}
_RESCUES = {".mp4": ".mkv", ".webm": ".webm"}  # what plays though its writing was cut short
# WebM has names for codecs instead of tags; OpenCV prints so, at any level of its log, and goes on.
_NO_TAG = re.compile(rb"OpenCV: FFMPEG: tag 0x\w+/'VP80' is not supported with codec id ")
_CLOCK_S = 0.001  # what Matroska and WebM round times to


class Encoder(Protocol):
    """Takes frames of one size; ``finish`` or ``abort`` is called once, at the end.

    Attributes:
        rescue: where what was written so far can be played before the file has its name.
        for_browsers: whether browsers play the file.
    """

    rescue: Path
    for_browsers: bool

    def write(self, bgr: NDArray[np.uint8]) -> None:
        """Add [H, W, 3] uint8 BGR, of even sides.

        Raises:
            SourceError: it cannot be stored.
        """

    def finish(self, frames: int) -> None:
        """Give the file its name; so many frames must be in it.

        Raises:
            SourceError: they are not, so it does not get its name.
        """

    def abort(self) -> None:
        """Keep only ``rescue``, which plays as far as it goes."""


class OpenCvEncoder:
    """MPEG-4 or VP8 by OpenCV's wheels, which carry no H.264 encoder (its licence).

    An .mp4 is worthless until its index is written at the end; a .mkv or .webm can be played up to
    the last second whenever writing stopped. So an .mp4 is made of a .mkv when that is whole,
    without coding anything again; a .webm takes its final name when it is.

    Args:
        path: the final name, ending in .mp4 or .webm.
        size_wh: (width, height) of all frames, even.
        fps: frames a second.

    Raises:
        SourceError: no encoder, or the folder cannot be written.
    """

    def __init__(self, path: Path, *, size_wh: tuple[int, int], fps: float) -> None:
        self.for_browsers = path.suffix == ".webm"
        self.rescue = path.with_name(f"{path.stem}.part{_RESCUES[path.suffix]}")
        self._path, self._size_wh, self._fps = path, size_wh, fps
        reserve(self.rescue)
        code = cv2.VideoWriter.fourcc(*_CODECS[path.suffix])
        with without_remark(_NO_TAG):
            self._writer = cv2.VideoWriter(str(self.rescue), cv2.CAP_FFMPEG, code, fps, size_wh)
        if not self._writer.isOpened():
            self.rescue.unlink(missing_ok=True)
            raise _unwritable(self.rescue)

    def write(self, bgr: NDArray[np.uint8]) -> None:
        """See ``Encoder``."""
        self._writer.write(bgr)

    def finish(self, frames: int) -> None:
        """See ``Encoder``."""
        self._writer.release()
        slack = self._fps * _CLOCK_S
        if self.for_browsers:
            require_frames(self.rescue, frames, self, path=self._path, slack=slack)
            self.rescue.replace(self._path)
        else:
            finish_whole(self._path, frames, self, self._remux, slack=slack)

    def _remux(self, whole: Path) -> None:
        try:
            remux_mpeg4(self.rescue, whole, size_wh=self._size_wh, fps=self._fps)
        except (OSError, SourceError) as error:
            raise SourceError(
                f"cannot make video {self._path}: {error}. Is the disk full? What could be "
                f"saved is in {self.rescue}"
            ) from error

    def abort(self) -> None:
        """See ``Encoder``."""
        self._writer.release()


def reserve(rescue: Path) -> None:
    """Take a name for one writer alone: what will lie there is the only copy of a film.

    Raises:
        SourceError: somebody has it, or the folder cannot be written.
    """
    try:
        rescue.open("xb").close()
    except FileExistsError as error:
        raise SourceError(
            f"{rescue} is there already: another program writes it, or one was stopped. Wait for "
            "it, or move the file away"
        ) from error
    except OSError as error:
        raise _unwritable(rescue) from error


def _unwritable(rescue: Path) -> SourceError:
    return SourceError(
        f"cannot write video {rescue}. Check the folder, and that OpenCV has FFmpeg (yolokit env), "
        "or leave the video out with --no-save-video"
    )


def temporary_name(path: Path) -> Path:
    """What a video is called while it is made whole."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def finish_whole(
    path: Path, frames: int, encoder: Encoder, make: Callable[[Path], None], *, slack: float = 0
) -> None:
    """Make a film of its rescue under a temporary name, give it its own, and let the rescue go.

    Args:
        path: the final name.
        frames, encoder, slack: see ``require_frames``.
        make: writes the whole film.

    Raises:
        SourceError: of ``make``, or frames lack; nothing but the rescue is left.
    """
    whole = temporary_name(path)
    try:
        make(whole)
        require_frames(whole, frames, encoder, path=path, slack=slack)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    encoder.rescue.unlink(missing_ok=True)


def require_frames(
    whole: Path, frames: int, encoder: Encoder, *, path: Path, slack: float = 0
) -> None:
    """Refuse a file that lacks frames: encoders do not report a full disk.

    Args:
        whole: the file as it was written.
        frames: that should be in it.
        encoder: that wrote it.
        path: its final name.
        slack: frames more or less that its clock may make of them.

    Raises:
        SourceError: naming what is kept.
    """
    stored = _count_frames(whole)
    if abs(stored - frames) > slack:
        raise SourceError(
            f"video {path} holds {stored} of {frames} frames. Is the disk full? "
            f"What could be saved is in {encoder.rescue}"
        )


def _count_frames(path: Path) -> int:
    """As the file's index states; it is our own, so it can be believed."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
