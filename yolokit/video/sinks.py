"""Where frames and detections go: what every sink is, and annotated pictures and videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.errors import SourceError
from yolokit.files import written_atomically
from yolokit.types import Detections
from yolokit.video.ffmpeg import find_ffmpeg
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.names import OutputNames
from yolokit.video.sound import may_have_sound
from yolokit.video.video_file import VideoFile, VideoFormat, fastest_fps

_FIRST_FRAMES = 8  # held back to see how close frames come; of 4K, 200 MB
_JPEG_QUALITY = 95  # percent
_LONGEST_JPEG_SIDE, _LONGEST_WEBP_SIDE = 65500, 16383  # pixels; what the formats can state
_PICTURE_SUFFIXES = {".png", ".webp", ".bmp", ".tif", ".tiff"}  # kept; the rest become .jpg

_SILENT = "sound is not copied: annotated videos have none"
_FOR_PLAYERS = (
    "Browsers do not play MPEG-4, players do. For browsers: --video-format webm, or install "
    "ffmpeg, by which an .mp4 becomes H.264"
)

Draw = Callable[[Frame, Detections], NDArray[np.uint8]]


class Sink(Protocol):
    """Takes frames in order; either ``close`` or ``abort`` is called once, at the end."""

    written: list[Path]

    def write(self, frame: Frame, detections: Detections) -> None:
        """Take one frame."""

    def end_source(self) -> None:
        """A film, or pictures in a row, have ended: their files get their final names."""

    def close(self) -> None:
        """Finish: what was written gets its final name."""

    def abort(self) -> None:
        """Give up: no half-written file keeps a final name; what ended before stays."""


class AnnotatedSink:
    """Draws every frame; pictures become pictures, videos and streams become videos.

    Args:
        names: where to.
        draw: a frame and its detections to RGB pixels of the frame's size.
        pictures: whether pictures are drawn and written.
        videos: what is written of videos; None: nothing.

    Attributes:
        notes: what of the sources is not in the files.
        hints: what to do where a file does not play.
    """

    def __init__(
        self,
        names: OutputNames,
        draw: Draw,
        *,
        pictures: bool = True,
        videos: VideoFormat | None = "mp4",
    ) -> None:
        self.written: list[Path] = []
        self.notes: list[str] = []
        self.hints: list[str] = []
        self._names, self._draw = names, draw
        self._pictures, self._videos = pictures, videos
        self._source: Source | None = None
        self._video: VideoFile | None = None
        self._live, self._fps = False, 0.0
        self._first: list[tuple[NDArray[np.uint8], float]] = []  # drawn, until the rate is known

    def write(self, frame: Frame, detections: Detections) -> None:
        """Draw and store one frame."""
        if frame.source is not self._source:
            self.end_source()
            self._source = frame.source
        if frame.source.kind is Kind.IMAGE:
            if self._pictures:
                self._picture(frame.source, self._draw(frame, detections))
        elif self._videos is not None:
            drawn = self._draw(frame, detections)
            if self._video is not None:
                self._video.write(drawn, at_ms=frame.pts_ms)
                return
            self._first.append((drawn, frame.pts_ms))
            self._live, self._fps = frame.live, frame.fps
            if frame.live or len(self._first) == _FIRST_FRAMES:
                self._open_video()

    def end_source(self) -> None:
        """Finish the video that is open."""
        self._open_video()
        if self._video is not None:
            self._video.close()
            self.written.append(self._video.path)
            if not self._video.for_browsers:
                self.hints = [_FOR_PLAYERS]
            self._note(self._video)
        self._video = None

    def close(self) -> None:
        """Finish the video that is open."""
        self.end_source()

    def abort(self) -> None:
        """Leave the open video as its recoverable part file."""
        self._first.clear()
        if self._video is not None:
            self._video.abort()
        self._video = None

    def _open_video(self) -> None:
        """Start a file with the frames that were held back."""
        if not self._first:
            return
        assert self._source is not None
        fps = self._fps
        if not self._live:
            fps = fastest_fps(fps, [at_ms for _, at_ms in self._first])
        height, width = self._first[0][0].shape[:2]
        path = self._names.name(self._source, f".{self._videos}")
        ffmpeg = find_ffmpeg() if self._videos == "mp4" else None
        self._video = VideoFile(path, size_wh=(width, height), fps=fps, ffmpeg=ffmpeg)
        for drawn, at_ms in self._first:
            self._video.write(drawn, at_ms=at_ms)
        self._first.clear()

    def _note(self, video: VideoFile) -> None:
        assert self._source is not None
        path = self._source.path
        asked = path is None or self._source.frames or _SILENT in self.notes
        if path is not None and not asked and may_have_sound(path):
            self.notes.append(_SILENT)
        moved = video.repeated + video.dropped
        if self._live or moved <= max(1, video.frames // 1000):
            return
        self.notes.append(
            f"{self._source.name} has an uneven frame rate; {video.path} plays at its speed with "
            f"{video.fps:g} frames a second: {video.repeated} repeated, {video.dropped} left out"
        )

    def _picture(self, source: Source, image: NDArray[np.uint8]) -> None:
        name = source.file_name
        suffix = "" if name is None else name.suffix.lower()
        if suffix not in _PICTURE_SUFFIXES:
            suffix = ".png" if max(image.shape) > _LONGEST_JPEG_SIDE else ".jpg"
        elif suffix == ".webp" and max(image.shape) > _LONGEST_WEBP_SIDE:
            suffix = ".png"
        path = self._names.name(source, suffix)
        save_picture(path, image)
        self.written.append(path)


def save_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write [H, W, 3] uint8 RGB in the format of the suffix, whole or not at all.

    Raises:
        SourceError: the format cannot hold the picture.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == ".jpg" else []
        ok, data = cv2.imencode(path.suffix, bgr, quality)
    except cv2.error as error:
        raise SourceError(f"cannot write {path}: {error.err}. Choose another format") from error
    if not ok:
        raise SourceError(f"cannot write {path} in this format. Choose another one")
    with written_atomically(path) as temporary:
        temporary.write_bytes(data.tobytes())
