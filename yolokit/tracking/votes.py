"""Which class a track is of, where a detector wavers from frame to frame."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict

from yolokit.types import Detections

_KEPT_FRAMES = 2000  # after so many no tracker takes a track up again; a camera never ends


class ClassVotes:
    """The classes of the tracks of one film: each box of a track votes with its score."""

    def __init__(self) -> None:
        self._votes: OrderedDict[int, defaultdict[int, float]] = OrderedDict()  # last seen last
        self._seen: dict[int, int] = {}
        self._ended: Counter[int] = Counter()
        self._frame = 0

    def add(self, detections: Detections) -> None:
        """Count one frame's votes."""
        assert detections.track_ids is not None
        rows = zip(
            detections.track_ids.tolist(),
            detections.labels.tolist(),
            detections.scores.tolist(),
            strict=True,
        )
        self._frame += 1
        for track_id, label, score in rows:
            if track_id > 0:
                self._votes.setdefault(track_id, defaultdict(float))[label] += score
                self._votes.move_to_end(track_id)
                self._seen[track_id] = self._frame
        self._forget()

    def label(self, track_id: int) -> int:
        """The class that has most votes so far; of equals the first seen.

        Raises:
            KeyError: no such track, or one that ended long ago.
        """
        votes = self._votes[track_id]
        return max(votes, key=lambda label: votes[label])

    def objects(self) -> Counter[int]:
        """Label -> how many tracks are of that class."""
        return self._ended + Counter(self.label(track_id) for track_id in self._votes)

    def _forget(self) -> None:
        while self._votes:
            oldest = next(iter(self._votes))
            if self._frame - self._seen[oldest] < _KEPT_FRAMES:
                return
            self._ended[self.label(oldest)] += 1
            del self._votes[oldest], self._seen[oldest]
