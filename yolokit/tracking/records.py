"""Tracks and counts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolokit.tracking.counting import Counted, count_values
from yolokit.types import Detections
from yolokit.video.frames import Frame
from yolokit.video.sinks import JsonListSink, to_record


class TrackRecordSink(JsonListSink):
    """One record per frame, see ``track_record``.

    Args:
        path: the JSON file.
        class_names: name of each label.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        super().__init__(path)
        self._names = class_names

    def write(self, frame: Frame, detections: Detections) -> None:
        """Add a frame's record."""
        self.add(track_record(frame, detections, self._names))


def track_record(
    frame: Frame, detections: Detections, class_names: Sequence[str]
) -> dict[str, Any]:
    """As ``to_record``; where there are counts, with those up to this frame, and its events."""
    record = to_record(frame, detections, class_names)
    if isinstance(detections, Counted):
        record |= count_values(detections.counts, class_names)
    return record
