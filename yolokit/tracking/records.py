"""Tracks and counts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yolokit.tracking.counting import Counted, count_values
from yolokit.types import Detections
from yolokit.video.frames import Frame
from yolokit.video.json_sinks import to_record


def track_record(
    frame: Frame, detections: Detections, class_names: Sequence[str]
) -> dict[str, Any]:
    """As ``to_record``; where there are counts, with those up to this frame, and its events."""
    record = to_record(frame, detections, class_names)
    if isinstance(detections, Counted):
        record |= count_values(detections.counts, class_names)
    return record
