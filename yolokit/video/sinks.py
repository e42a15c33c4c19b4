"""Where frames and detections go: annotated pictures, videos, JSON records."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.errors import SourceError
from yolokit.evaluation.rows import to_rows
from yolokit.files import naming, written_atomically
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


class JsonListSink:
    """Entries of one JSON list; on the disk as they come, under their name at the end.

    Args:
        path: the JSON file.
    """

    def __init__(self, path: Path) -> None:
        self.written: list[Path] = []
        self.path = path
        self._scope = ExitStack()
        self._temporary = self._scope.enter_context(written_atomically(path))
        self._file = self._temporary.open("wb")
        self._separator = "[\n"
        self._kept = 0  # bytes of what is not dropped any more

    def add(self, entry: dict[str, Any]) -> None:
        """Add one entry, on a line of its own."""
        with naming(self.path):
            self._file.write((self._separator + json.dumps(entry, allow_nan=False)).encode())
        self._separator = ",\n"

    def keep(self) -> None:
        """All until now stays, whatever happens."""
        with naming(self.path):
            self._file.flush()
        self._kept = self._file.tell()

    def close(self) -> None:
        """Complete the list; the file appears."""
        with naming(self.path):
            self._file.write(b"[]\n" if self._separator == "[\n" else b"\n]\n")
            self._file.close()
        self._scope.close()
        self.written.append(self.path)

    def abort(self) -> None:
        """Drop what was not kept; where nothing was, there is no file."""
        with suppress(OSError):  # the disk may be full
            self._file.close()
        try:
            if not self._kept:
                raise SourceError("aborted")
            with self._temporary.open("r+b") as file:
                file.truncate(self._kept)
                file.seek(self._kept)
                file.write(b"\n]\n")
        except (OSError, SourceError) as error:
            self._scope.__exit__(type(error), error, None)
        else:
            self._scope.close()
            self.written.append(self.path)


MakeRecord: TypeAlias = Callable[[Frame, Detections, Sequence[str]], dict[str, Any]]


class RecordSink(JsonListSink):
    """One record per frame.

    Args:
        path: the JSON file.
        class_names: name of each label.
        record: makes one of a frame; by default ``to_record``.
    """

    def __init__(
        self, path: Path, class_names: Sequence[str], record: MakeRecord | None = None
    ) -> None:
        super().__init__(path)
        self._names, self._record = class_names, record or to_record

    def write(self, frame: Frame, detections: Detections) -> None:
        """Add a frame's record; a picture is finished with it."""
        self.add(self._record(frame, detections, self._names))
        if frame.source.kind is Kind.IMAGE:
            self.keep()

    def end_source(self) -> None:
        """Its records stay."""
        self.keep()


class RowSink(JsonListSink):
    """COCO result rows of a data set's pictures: of all, or none, for half would be scored too.

    Args:
        path: the JSON file.
        category_ids: of each label; None for a class that the data set does not list.
    """

    def __init__(self, path: Path, category_ids: Sequence[int | None]) -> None:
        super().__init__(path)
        self._category_ids = category_ids

    def write(self, frame: Frame, detections: Detections) -> None:
        """Add a picture's rows."""
        assert frame.source.image_id is not None
        for row in to_rows(detections, frame.source.image_id, self._category_ids):
            self.add(row)

    def end_source(self) -> None:
        """They wait for the others."""


def to_record(frame: Frame, detections: Detections, class_names: Sequence[str]) -> dict[str, Any]:
    """A frame's detections as plain values, boxes xyxy in pixels of the frame.

    Where they are tracked, each has a ``track_id``: None until its track is confirmed.
    """
    height, width = frame.image.shape[:2]
    found = zip(
        detections.boxes.tolist(),
        detections.scores.tolist(),
        detections.labels.tolist(),
        strict=True,
    )
    tracks: list[dict[str, int | None]] = [{}] * len(detections)
    if detections.track_ids is not None:
        tracks = [{"track_id": n if n > 0 else None} for n in detections.track_ids.tolist()]
    return {
        "source": frame.source.name,
        "frame": frame.index,
        "pts_ms": round(frame.pts_ms, 3),
        "width": width,
        "height": height,
        "detections": [
            {"box": box, "score": score, "label": label, "name": class_names[label], **track}
            for (box, score, label), track in zip(found, tracks, strict=True)
        ],
    }


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
