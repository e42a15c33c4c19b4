"""Which class a track is of, where a detector wavers from frame to frame."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TypeAlias

from yolokit.tracking.recent import Recent
from yolokit.types import Detections

Votes: TypeAlias = defaultdict[int, float]


class ClassVotes:
    """The classes of the tracks of one film: each box of a track votes with its score."""

    def __init__(self) -> None:
        self._votes: Recent[Votes] = Recent(lambda: defaultdict(float), self._settle)
        self._ended: Counter[int] = Counter()

    def add(self, detections: Detections) -> None:
        """Count one frame's votes."""
        assert detections.track_ids is not None
        rows = zip(
            detections.track_ids.tolist(),
            detections.labels.tolist(),
            detections.scores.tolist(),
            strict=True,
        )
        for track_id, label, score in rows:
            if track_id > 0:
                self._votes.seen(track_id)[label] += score
        self._votes.next_frame()

    def label(self, track_id: int) -> int:
        """The class that has most votes so far; of equals the first seen.

        Raises:
            KeyError: no such track, or one that ended long ago.
        """
        return _winner(self._votes[track_id])

    def objects(self) -> Counter[int]:
        """Label -> how many tracks are of that class."""
        return self._ended + Counter(map(_winner, self._votes))

    def _settle(self, votes: Votes) -> None:
        self._ended[_winner(votes)] += 1


def _winner(votes: Votes) -> int:
    return max(votes, key=lambda label: votes[label])
