"""From a film's detections to tracked ones, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from yolokit.ops.nms import class_aware_nms
from yolokit.tracking.tracker import WEAKEST_SCORE, Tracker
from yolokit.types import Detections
from yolokit.video.frames import Frame, Source

MakeTracker = Callable[[float], Tracker]


class Follower:
    """Gives ids to the boxes of films, one film after the other; call it with each frame.

    Ids begin anew, at 1, with each film. A weak box stays only where it continues a track. Of boxes
    of several classes that overlap by more than ``iou_threshold`` the best alone stays: one object
    with two boxes would be counted twice.

    Args:
        make: a tracker, of a film's frames a second.
        score_threshold: what scores more is reported, tracked or not.
        iou_threshold: overlap above which two boxes are one object, 0..1.
    """

    def __init__(self, make: MakeTracker, *, score_threshold: float, iou_threshold: float) -> None:
        self._make = make
        self._score_threshold, self._iou_threshold = score_threshold, iou_threshold
        self._source: Source | None = None
        self._tracker: Tracker

    def __call__(self, frame: Frame, detections: Detections) -> Detections:
        """The boxes that are reported, best first, with their ids.

        Args:
            frame: later than the one before, of the same film or of the next.
            detections: found with ``weak_threshold``.
        """
        if frame.source is not self._source:
            self._source, self._tracker = frame.source, self._make(frame.fps)
        found = without_duplicates(detections, self._iou_threshold)
        ids = self._tracker.update(found, frame.pts_ms)
        kept = (ids > 0) | (found.scores > self._score_threshold)
        return Detections(found.boxes[kept], found.scores[kept], found.labels[kept], ids[kept])


def without_duplicates(detections: Detections, iou_threshold: float) -> Detections:
    """The best of the boxes that overlap by more, whatever their classes."""
    found = detections
    one_class = np.zeros_like(found.labels)
    most = max(1, len(found))
    rows = class_aware_nms(found.boxes, found.scores, one_class, iou_threshold, most)
    return Detections(found.boxes[rows], found.scores[rows], found.labels[rows])


def weak_threshold(score_threshold: float, least: float | None) -> float:
    """The score above which boxes are detected: below it none can continue a track.

    Args:
        score_threshold: what scores more is reported.
        least: what scores no more a model cannot give; None for one that gives everything.
    """
    return min(score_threshold, max(WEAKEST_SCORE, least or 0.0))
