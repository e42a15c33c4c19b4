"""Tracks as MOTChallenge's text, which its evaluation programs read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from yolokit.errors import SourceError
from yolokit.files import naming, written_atomically
from yolokit.types import Detections
from yolokit.video.frames import Frame, Source
from yolokit.video.names import OutputNames


class MotSink:
    """Writes a line ``FRAME,ID,X,Y,WIDTH,HEIGHT,SCORE,-1,-1,-1`` for each box with an id.

    One ``FOLDER/FILM.txt`` for each film. Frames are counted from 1, pixels from 0; there is no
    place for classes.

    Args:
        folder: need not exist; nothing there is overwritten.
    """

    def __init__(self, folder: Path) -> None:
        self.written: list[Path] = []
        self._names = OutputNames(folder, [])
        self._source: Source | None = None
        self._scope = ExitStack()
        self._path: Path
        self._write: Callable[[str], object]

    def write(self, frame: Frame, detections: Detections) -> None:
        """Write a frame's boxes."""
        if frame.source is not self._source:
            self.end_source()
            self._open(frame.source)
        with naming(self._path):
            self._write(to_mot_text(detections, frame.index))

    def end_source(self) -> None:
        """The film has ended: its file appears."""
        if self._source is None:
            return
        self._scope.close()
        self._source = None
        self.written.append(self._path)

    def close(self) -> None:
        """The last film has ended."""
        self.end_source()

    def abort(self) -> None:
        """Drop the file of the film that did not end."""
        self._scope.__exit__(SourceError, SourceError("aborted"), None)

    def _open(self, source: Source) -> None:
        path = self._names.name(source, ".txt")
        temporary = self._scope.enter_context(written_atomically(path))
        self._write = self._scope.enter_context(temporary.open("w", encoding="ascii")).write
        self._source, self._path = source, path


def to_mot_text(detections: Detections, frame: int) -> str:
    """The lines of one frame.

    Args:
        detections: tracked; boxes without an id are left out.
        frame: its number, from 0.
    """
    assert detections.track_ids is not None
    rows = zip(
        detections.track_ids.tolist(),
        detections.boxes.astype(float).tolist(),
        detections.scores.tolist(),
        strict=True,
    )
    return "".join(
        f"{frame + 1},{track_id},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},"
        f"{score:.4f},-1,-1,-1\n"
        for track_id, (x1, y1, x2, y2), score in rows
        if track_id > 0
    )
