"""What gives the boxes of a film their ids: a library does, which one other file here knows."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolokit.types import Detections

TrackerName: TypeAlias = Literal["bytetrack", "ocsort"]
TRACKERS: tuple[TrackerName, ...] = ("bytetrack", "ocsort")
UNTRACKED = -1  # the id of a box that belongs to no confirmed track
WEAKEST_SCORE = 0.1  # what may continue a track (ByteTrack, section 3; Zhang et al. 2022)


class Tracker(Protocol):
    """Follows the objects of one film."""

    def update(self, detections: Detections, at_ms: float) -> NDArray[np.int64]:
        """The ids of a frame's boxes.

        Args:
            detections: N boxes, weak ones among them; may be none.
            at_ms: when the frame is shown; later than the one before.

        Returns:
            [N] from 1, each once; ``UNTRACKED`` where a box belongs to no confirmed track.
        """
