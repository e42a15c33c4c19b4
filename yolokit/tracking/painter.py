"""Tracks on the frames of a film: boxes in their colours, where they came from, and counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.drawing import PLAIN, Style, draw_detections, track_colour
from yolokit.tracking.count_drawing import draw_line, draw_zone
from yolokit.tracking.counting import Counted
from yolokit.types import Detections
from yolokit.video.frames import Frame, Source

_TAIL_SHARE = 1 / 400  # thickness of a tail, as a share of the frame's longer side
Point = tuple[float, float]


class TrackPainter:
    """Draws the frames of films, in order; one after the other.

    Args:
        class_names: name of each label.
        style: of the boxes.
        tail_seconds: how far back each object's path is drawn; 0 draws none.
    """

    def __init__(
        self, class_names: Sequence[str], style: Style = PLAIN, *, tail_seconds: float = 0.0
    ) -> None:
        self._names, self._style, self._tail_ms = class_names, style, tail_seconds * 1000
        self._source: Source | None = None
        self._paths: dict[int, deque[tuple[float, Point]]] = {}

    def __call__(self, frame: Frame, detections: Detections) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, new."""
        if frame.source is not self._source:
            self._source, self._paths = frame.source, {}
        image = frame.image
        if self._tail_ms:
            self._remember(detections, frame.pts_ms)
            image = self._with_tails(image)
        if isinstance(detections, Counted):
            image = _with_counts(image, detections)
        return draw_detections(image, detections, self._names, self._style)

    def _remember(self, detections: Detections, at_ms: float) -> None:
        assert detections.track_ids is not None
        boxes = detections.boxes.astype(float).tolist()
        for track_id, (x1, y1, x2, y2) in zip(detections.track_ids.tolist(), boxes, strict=True):
            if track_id > 0:
                path = self._paths.setdefault(track_id, deque())
                path.append((at_ms, ((x1 + x2) / 2, (y1 + y2) / 2)))
        for track_id, path in list(self._paths.items()):
            while path and path[0][0] < at_ms - self._tail_ms:
                path.popleft()
            if not path:
                del self._paths[track_id]

    def _with_tails(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        canvas: NDArray[np.uint8] = image.copy()
        thickness = max(1, round(max(canvas.shape[:2]) * _TAIL_SHARE))
        for track_id, path in self._paths.items():
            points = np.array([point for _, point in path]).round().astype(np.int32)
            colour = track_colour(track_id)
            cv2.polylines(canvas, [points], False, colour, thickness, cv2.LINE_AA)
        return canvas


def _with_counts(image: NDArray[np.uint8], detections: Counted) -> NDArray[np.uint8]:
    """A copy with lines and zones, beneath what is drawn of the objects."""
    canvas: NDArray[np.uint8] = image.copy()
    for tally in detections.counts.tallies:
        draw = draw_line if len(tally.points) == 2 else draw_zone
        draw(canvas, tally.points, tally)
    return canvas
