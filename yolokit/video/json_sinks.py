"""Detections as JSON: records of frames, or COCO's rows of a data set's pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeAlias

from yolokit.errors import SourceError
from yolokit.evaluation.rows import to_rows
from yolokit.files import naming, written_atomically
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind


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
