"""Where a track is as against a line or a zone, and when that changes.

A track is its boxes' centres. One that stands on a line jitters over it in every frame: so it has
to be past it by a ``margin`` before it has changed sides, and as far on the other side to change
again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.tracking.recent import Recent

Point: TypeAlias = tuple[float, float]
Passage: TypeAlias = Literal["in", "out"]
Visit: TypeAlias = Literal["entered", "left"]


@dataclass(slots=True)
class _Course:
    """How a track has moved about a line; sides are -1 (left), 1 (right), 0 (on it)."""

    settled: int = 0  # the side that it was last on for certain
    side: int = 0  # the side of its last point that was on one
    point: Point | None = None
    distance: float = 0.0
    between_ends: bool = False  # whether it last came over the line between its ends


class LineWatch:
    """A line between two points, which tracks cross.

    ``in`` is from the line's left to its right, as one looks from its first point to its second:
    downwards over a line that is drawn from left to right.

    Args:
        points: [2, 2] xy pixels, not equal.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._courses: Recent[_Course] = Recent(_Course)
        self.move_to(points)

    def move_to(self, points: NDArray[np.float64]) -> None:
        """The picture has changed its size, and the line with it; sides stay what they were."""
        self.points = points
        self._x, self._y, x2, y2 = map(float, points.ravel())
        self._dx, self._dy = x2 - self._x, y2 - self._y
        self._length = math.hypot(self._dx, self._dy)
        for course in self._courses:
            course.point = None

    def step(self, track_id: int, point: Point, margin: float) -> Passage | None:
        """A track is seen at a point; whether it has now crossed the line, between its ends.

        Args:
            track_id: of the track.
            point: xy pixels.
            margin: how far past the line it must be, pixels.
        """
        course = self._courses.seen(track_id)
        distance = self._distance(point)
        side = (distance > 0) - (distance < 0)
        if side and course.side and side != course.side:
            course.between_ends = self._between_ends(course, point, distance)
        course.side = side or course.side
        course.point, course.distance = point, distance
        if not course.settled:
            course.settled = side
        elif side == -course.settled and abs(distance) > margin:
            course.settled = side
            if course.between_ends:
                return "in" if side > 0 else "out"
        return None

    def next_frame(self) -> None:
        """All tracks of a frame have been seen."""
        self._courses.next_frame()

    def _distance(self, point: Point) -> float:
        """Pixels from the endless line, positive on its right (y points down)."""
        x, y = point
        return (self._dx * (y - self._y) - self._dy * (x - self._x)) / self._length

    def _between_ends(self, course: _Course, point: Point, distance: float) -> bool:
        """Whether the straight way from the last point came over the line itself, ends included."""
        x, y = point
        if course.point is not None:
            share = course.distance / (course.distance - distance)
            x, y = (a + share * (b - a) for a, b in zip(course.point, point, strict=True))
        along = self._dx * (x - self._x) + self._dy * (y - self._y)
        return 0 <= along <= self._length**2


@dataclass(slots=True)
class _Stay:
    """How a track stands to a zone."""

    settled: bool | None = None  # whether it was inside when that was last certain
    inside: bool = False  # at its last point
    ever_inside: bool = False
    at_ms: float = 0.0


class Sighting(NamedTuple):
    """A track as against a zone.

    Args:
        inside: whether it is.
        new: whether it is for the first time.
        seconds: that it was inside since it was last seen.
        visit: whether it has now come over the border; one that is first seen inside has not.
    """

    inside: bool
    new: bool
    seconds: float
    visit: Visit | None


class ZoneWatch:
    """A zone, which tracks enter and leave; its border belongs to it.

    Args:
        points: [N, 2] xy pixels; where its sides cross, inside is what is odd.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._stays: Recent[_Stay] = Recent(_Stay)
        self.move_to(points)

    def move_to(self, points: NDArray[np.float64]) -> None:
        """The picture has changed its size, and the zone with it."""
        self.points = points
        self._contour = points.astype(np.float32)
        around = cv2.arcLength(self._contour, True)
        self._most_margin = cv2.contourArea(self._contour) / around / 2  # of a square, 1/8 side

    def step(self, track_id: int, point: Point, at_ms: float, margin: float) -> Sighting:
        """A track is seen at a point.

        Args:
            track_id: of the track.
            point: xy pixels.
            at_ms: when, milliseconds.
            margin: how far past the border it must be, pixels; in a small zone less will do.
        """
        stay = self._stays.seen(track_id)
        distance = cv2.pointPolygonTest(self._contour, point, True)
        inside = distance >= 0
        seconds = (at_ms - stay.at_ms) / 1000 if stay.inside else 0.0
        new = inside and not stay.ever_inside
        visit: Visit | None = None
        if stay.settled is None:
            stay.settled = inside
        elif inside != stay.settled and abs(distance) > min(margin, self._most_margin):
            stay.settled = inside
            visit = "entered" if inside else "left"
        stay.inside, stay.ever_inside, stay.at_ms = inside, stay.ever_inside or inside, at_ms
        return Sighting(inside, new, seconds, visit)

    def next_frame(self) -> None:
        """All tracks of a frame have been seen."""
        self._stays.next_frame()
