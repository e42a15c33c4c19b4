"""What is remembered of each track, until no tracker takes it up again: a camera never ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

_KEPT_FRAMES = 2000  # unseen; trackers lose a track after a second, or three frames
T = TypeVar("T")


class Recent(Generic[T]):
    """Track id -> what is known of it.

    Args:
        make: for a track that is new.
        end: called with what was known of a track that is forgotten.
    """

    def __init__(self, make: Callable[[], T], end: Callable[[T], None] = lambda _: None) -> None:
        self._make, self._end = make, end
        self._known: OrderedDict[int, tuple[T, int]] = (
            OrderedDict()
        )  # with the frame; last seen last
        self._frame = 0

    def next_frame(self) -> None:
        """A frame is over: forget what was not seen for long."""
        self._frame += 1
        while self._known:
            track_id, (known, seen) = next(iter(self._known.items()))
            if self._frame - seen < _KEPT_FRAMES:
                return
            del self._known[track_id]
            self._end(known)

    def seen(self, track_id: int) -> T:
        """What is known of a track, which is seen in this frame; a track that is new is made."""
        known = self._known[track_id][0] if track_id in self._known else self._make()
        self._known[track_id] = known, self._frame
        self._known.move_to_end(track_id)
        return known

    def __getitem__(self, track_id: int) -> T:
        return self._known[track_id][0]

    def __iter__(self) -> Iterator[T]:
        return (known for known, _ in self._known.values())
