"""A track's class where a detector wavers, and what is forgotten of tracks that ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from yolokit.tracking.recent import Recent
from yolokit.tracking.votes import ClassVotes
from yolokit.types import Detections

Found = Callable[..., Detections]


def test_the_class_with_the_most_score_wins(found: Found) -> None:
    votes = ClassVotes()
    for label, score in ((1, 0.9), (0, 0.5), (0, 0.6)):  # 0.9 against 1.1
        votes.add(found([(0, 0, 9, 9, score, label), (20, 0, 29, 9, 0.5, 1)], ids=[4, -1]))
    assert votes.label(4) == 0
    assert votes.objects() == {0: 1}
    with pytest.raises(KeyError):
        votes.label(-1)


def test_a_camera_that_never_ends_fills_no_memory_and_loses_no_count(found: Found) -> None:
    """Three thousand objects, one a frame: the first thousand are counted and forgotten."""
    votes = ClassVotes()
    for track_id in range(1, 3001):
        votes.add(found([(0, 0, 9, 9, 0.5, track_id % 3)], ids=[track_id]))
    assert votes.objects() == {0: 1000, 1: 1000, 2: 1000}
    assert votes.label(3000) == 0
    with pytest.raises(KeyError):
        votes.label(900)


def test_who_is_seen_again_is_not_forgotten() -> None:
    ended: list[str] = []
    recent: Recent[str] = Recent(lambda: "new", ended.append)
    for frame in range(4100):
        if frame in (0, 1500, 3000):
            assert recent.seen(1) == "new"
        recent.next_frame()
    assert recent[1] == "new" and ended == []
    for _ in range(1000):
        recent.next_frame()
    assert ended == ["new"] and list(recent) == []
