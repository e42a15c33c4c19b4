"""Counts of what crosses lines, and of what is in zones, by class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolokit.tracking.crossings import LineWatch, Point, Sighting, ZoneWatch
from yolokit.tracking.outlines import parse_line, parse_zone
from yolokit.tracking.votes import ClassVotes
from yolokit.types import Detections

MARGIN = 0.1  # of the shorter side of its box: how far a track must be past a line
What: TypeAlias = Literal["in", "out", "entered", "left"]


@dataclass(frozen=True, slots=True)
class Event:
    """A track crossed a line, or came over the border of a zone.

    Args:
        track_id: of the track.
        label: of its class, by the votes of its boxes so far.
        place: ``line 1``, ``zone 2``.
        what: ``in`` or ``out`` over a line, ``entered`` or ``left`` a zone.
    """

    track_id: int
    label: int
    place: str
    what: What


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tally:
    """What has been counted at one line or zone; each a label -> a number.

    Args:
        place: ``line 1``, ``zone 2``.
        points: its corners, [N, 2] xy pixels of the frame.
        kinds: of a line ``in`` and ``out``; of a zone ``inside`` (in this frame), ``entered``,
            ``left``, ``objects`` (that were ever inside) and ``seconds`` (that they were, in all).
    """

    place: str
    points: NDArray[np.float64]
    kinds: Mapping[str, Mapping[int, float]]

    def total(self, kind: str) -> float:
        """Over all classes."""
        return sum(self.kinds[kind].values())


@dataclass(frozen=True, slots=True)
class Counts:
    """What has been counted up to a frame, and what happened in it."""

    tallies: tuple[Tally, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Counted(Detections):
    """Tracked detections with the counts after them."""

    counts: Counts = field(default_factory=lambda: Counts((), ()))


class Counting:
    """Counts over one film.

    Args:
        lines: each ``x1,y1,x2,y2``, in pixels, with % behind a number, or in shares from 0 to 1.
        zones: each ``x1,y1,x2,y2,x3,y3`` and more.

    Raises:
        ConfigError: what is no line or zone.
    """

    def __init__(self, *, lines: Sequence[str] = (), zones: Sequence[str] = ()) -> None:
        self._outlines = [parse_line(text) for text in lines], [parse_zone(text) for text in zones]
        self._votes = ClassVotes()
        self._image_hw: tuple[int, int] | None = None
        self._lines: list[LineWatch] = []
        self._zones: list[ZoneWatch] = []
        self._passed = [{"in": Counter[int](), "out": Counter[int]()} for _ in lines]
        self._visits = [_Visits() for _ in zones]

    def require_fit(self, image_hw: tuple[int, int]) -> None:
        """Refuse a picture's (height, width), pixels, for which ``step`` would fail.

        Raises:
            ConfigError: a line or zone lies outside the picture, or has no extent.
        """
        for outline in chain(*self._outlines):
            outline.points(image_hw)

    def step(self, detections: Detections, *, at_ms: float, image_hw: tuple[int, int]) -> Counts:
        """Count one frame.

        Args:
            detections: tracked.
            at_ms: when the frame is shown, milliseconds; later than the one before.
            image_hw: its (height, width), pixels; where that changes, shares move with it.

        Raises:
            ConfigError: a line or zone lies outside the picture, or has no extent.
        """
        if image_hw != self._image_hw:
            self._lay_out(image_hw)
        self._votes.add(detections)
        for visits in self._visits:
            visits.inside.clear()
        events: list[Event] = []
        for track_id, point, margin in _tracks(detections):
            events += self._see(track_id, point, at_ms, margin)
        for watch in self._watches():
            watch.next_frame()
        return Counts(tuple(self._tallies()), tuple(events))

    def _lay_out(self, image_hw: tuple[int, int]) -> None:
        lines, zones = ([each.points(image_hw) for each in outlines] for outlines in self._outlines)
        if self._image_hw is None:
            self._lines, self._zones = list(map(LineWatch, lines)), list(map(ZoneWatch, zones))
        else:
            for watch, points in zip(self._watches(), lines + zones, strict=True):
                watch.move_to(points)
        self._image_hw = image_hw

    def _watches(self) -> list[LineWatch | ZoneWatch]:
        return [*self._lines, *self._zones]

    def _see(self, track_id: int, point: Point, at_ms: float, margin: float) -> Iterator[Event]:
        label = self._votes.label(track_id)
        for number, (line, passed) in enumerate(zip(self._lines, self._passed, strict=True), 1):
            if (way := line.step(track_id, point, margin)) is not None:
                passed[way][label] += 1
                yield Event(track_id, label, f"line {number}", way)
        for number, (zone, visits) in enumerate(zip(self._zones, self._visits, strict=True), 1):
            sighting = zone.step(track_id, point, at_ms, margin)
            visits.add(label, sighting)
            if sighting.visit is not None:
                yield Event(track_id, label, f"zone {number}", sighting.visit)

    def _tallies(self) -> Iterator[Tally]:
        for number, passed in enumerate(self._passed, 1):
            kinds = {kind: dict(counter) for kind, counter in passed.items()}
            yield Tally(place=f"line {number}", points=self._lines[number - 1].points, kinds=kinds)
        for number, visits in enumerate(self._visits, 1):
            points = self._zones[number - 1].points
            yield Tally(place=f"zone {number}", points=points, kinds=visits.kinds())


class _Visits:
    """The numbers of one zone."""

    def __init__(self) -> None:
        self.inside, self.objects = Counter[int](), Counter[int]()
        self.over_border: dict[str, Counter[int]] = {"entered": Counter(), "left": Counter()}
        self.seconds: defaultdict[int, float] = defaultdict(float)

    def add(self, label: int, sighting: Sighting) -> None:
        """A track was seen."""
        self.inside[label] += sighting.inside
        self.objects[label] += sighting.new
        if sighting.seconds:
            self.seconds[label] += sighting.seconds
        if sighting.visit is not None:
            self.over_border[sighting.visit][label] += 1

    def kinds(self) -> dict[str, dict[int, float]]:
        """As ``Tally`` has them."""
        counters = {"inside": self.inside, **self.over_border, "objects": self.objects}
        plain: dict[str, dict[int, float]] = {
            kind: {label: count for label, count in counter.items() if count}
            for kind, counter in counters.items()
        }
        return {**plain, "seconds": dict(self.seconds)}


def _tracks(detections: Detections) -> Iterator[tuple[int, Point, float]]:
    """Each track's id, its box's centre, and how far past a line it must be, pixels."""
    assert detections.track_ids is not None
    boxes = detections.boxes.astype(float).tolist()
    for track_id, (x1, y1, x2, y2) in zip(detections.track_ids.tolist(), boxes, strict=True):
        if track_id > 0:
            yield track_id, ((x1 + x2) / 2, (y1 + y2) / 2), MARGIN * min(x2 - x1, y2 - y1)


def count_values(counts: Counts, class_names: Sequence[str]) -> dict[str, Any]:
    """Plain values for JSON: ``counts`` by place, kind and class, and ``events``."""
    return {
        "counts": {
            tally.place: {
                kind: {
                    class_names[label]: round(number, 3) if kind == "seconds" else number
                    for label, number in numbers.items()
                }
                for kind, numbers in tally.kinds.items()
            }
            for tally in counts.tallies
        },
        "events": [
            {
                "track_id": event.track_id,
                "name": class_names[event.label],
                "place": event.place,
                "what": event.what,
            }
            for event in counts.events
        ],
    }
