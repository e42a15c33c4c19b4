"""Trackers of the library ``trackers`` (Roboflow, Apache-2.0), behind the protocol of this room.

The only file that knows it, or the arrays of ``supervision`` that it takes and gives.
"""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ConfigError
from yolokit.tracking.follower import Follower
from yolokit.tracking.tracker import TRACKERS, UNTRACKED, TrackerName
from yolokit.types import Detections

_LIBRARY_FPS = 30.0  # frames a second in which the library counts how long a lost track is kept
_LOST_SECONDS = 1.0  # how long an object may be hidden and keep its id
_LOST_FRAMES = 3  # at least, where frames are farther apart than that
# IoU above which a box may be a second one of the same object; a detector that learnt little gives
# many, and each would begin a track of its own. Of seven on a film of four cars (docs/tracking.md)
# 0.6 let six through, 0.5 one, 0.4 none.
_SECOND_OVERLAP = 0.4
_ROW = "row"
_LIBRARIES = ("trackers", "supervision")


class LibraryTracker:
    """One of the library's trackers.

    To ByteTrack a box that overlaps a better one of its class by more than ``_SECOND_OVERLAP`` is a
    weak one: it continues a track and begins none.

    Args:
        name: which.
        fps: of the film, frames a second; how far apart frames really are, ``update`` is told.
        score_threshold: a box that scores more may begin a track.

    Raises:
        ConfigError: the library is not installed.
    """

    def __init__(self, name: TrackerName, *, fps: float, score_threshold: float) -> None:
        trackers, self._arrays = _library()
        kept_seconds = max(_LOST_SECONDS, _LOST_FRAMES / fps)
        lasting = {"lost_track_buffer": math.ceil(kept_seconds * _LIBRARY_FPS), "frame_rate": fps}
        self._takes_weak = name == "bytetrack"
        self._tracker: Any
        if self._takes_weak:
            self._tracker = trackers.ByteTrackTracker(
                track_activation_threshold=score_threshold,
                high_conf_det_threshold=score_threshold,
                **lasting,
            )
        else:
            self._tracker = trackers.OCSORTTracker(
                high_conf_det_threshold=score_threshold, **lasting
            )

    def update(self, detections: Detections, at_ms: float) -> NDArray[np.int64]:
        """See ``Tracker``; a track is confirmed in its second frame, OC-SORT's in its third."""
        count = len(detections)
        boxes, scores = detections.boxes.astype(np.float64), detections.scores
        if self._takes_weak:
            overlaps = self._arrays.box_iou_batch(boxes, boxes)
            same = detections.labels[:, None] == detections.labels[None, :]
            scores = np.where(_is_second(overlaps * same, scores), 0, scores)
        given = self._arrays.Detections(
            xyxy=boxes, confidence=scores, data={_ROW: np.arange(count)}
        )
        followed = self._tracker.update(given, timestamp=at_ms / 1000)
        ids = np.full(count, UNTRACKED, dtype=np.int64)
        if len(followed):  # in another order, and not all of them
            theirs = np.asarray(followed.tracker_id)
            ids[followed.data[_ROW]] = np.where(theirs >= 0, theirs + 1, UNTRACKED)
        return ids


def _is_second(overlaps: NDArray[np.float64], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes overlap a better one by more than ``_SECOND_OVERLAP``; of equals, the later.

    Args:
        overlaps: [N, N] IoU; 0 between boxes that cannot be one object's.
        scores: [N].

    Returns:
        [N].
    """
    places = np.arange(len(scores))
    earlier = places[None, :] < places[:, None]
    better = (scores[None, :] > scores[:, None]) | ((scores[None, :] == scores[:, None]) & earlier)
    return np.asarray((better & (overlaps > _SECOND_OVERLAP)).any(axis=1))


def library_follower(
    name: TrackerName, *, score_threshold: float, iou_threshold: float
) -> Follower:
    """A ``Follower`` with one of the library's trackers for each film.

    Raises:
        ConfigError: no such tracker, or the library is not installed.
    """
    if name not in TRACKERS:
        raise ConfigError(f"no tracker {name!r}. Choose {' or '.join(TRACKERS)}")
    require_library()
    return Follower(
        lambda fps: LibraryTracker(name, fps=fps, score_threshold=score_threshold),
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
    )


def require_library() -> None:
    """Look whether there is a tracker, before anything is read; it is not imported yet.

    Raises:
        ConfigError: the library is not installed.
    """
    if any(find_spec(name) is None for name in _LIBRARIES):
        raise ConfigError(
            "tracking needs the package trackers, which is not installed. "
            "pip install trackers 'supervision<0.30'"
        )


def _library() -> tuple[ModuleType, ModuleType]:
    require_library()
    return import_module("trackers"), import_module("supervision")
