"""Crossing a line and a border: by hand, and against exact arithmetic of somebody else's kind."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from yolokit.tracking.crossings import LineWatch, Passage, ZoneWatch

LEVEL = [[10, 50], [90, 50]]  # from left to right: its right side is below


def passages(line: list[list[float]], points: list[tuple[float, float]], margin: float = 2) -> str:
    """What a track does at each point: i, o or a dot."""
    watch = LineWatch(np.array(line, dtype=float))
    signs: dict[Passage | None, str] = {"in": "i", "out": "o", None: "."}
    return "".join(signs[watch.step(1, point, margin)] for point in points)


@pytest.mark.parametrize(
    ("line", "points", "seen"),
    [
        (LEVEL, [(50, 40), (50, 45), (50, 55), (50, 60)], "..i."),  # down
        (LEVEL, [(50, 60), (50, 45)], ".o"),  # up
        (LEVEL[::-1], [(50, 40), (50, 60)], ".o"),  # the line turned round
        ([[50, 10], [50, 90]], [(60, 50), (40, 50)], ".i"),  # down the picture: right is at x below
        (LEVEL, [(50, 40), (50, 50), (50, 40)], "..."),  # touches and goes back
        (LEVEL, [(50, 40), (50, 50), (50, 60)], "..i"),  # stops on it, goes on
        (LEVEL, [(50, 40), (50, 60), (50, 40), (50, 60)], ".ioi"),  # there, back, there
        (LEVEL, [(5, 40), (5, 60)], ".."),  # past the left end
        (LEVEL, [(95, 40), (95, 60), (50, 60), (50, 40)], "...o"),  # round the end, back over it
        (LEVEL, [(10, 40), (10, 60)], ".i"),  # over its first point
        (LEVEL, [(90, 40), (90, 60)], ".i"),  # over its last point
        (LEVEL, [(0, 40), (20, 60)], ".i"),  # aslant, over its first point exactly
        (LEVEL, [(0, 40), (19, 60)], ".."),  # just past it
        (LEVEL, [(50, 50), (50, 60)], ".."),  # first seen on it: came from neither side
        (LEVEL, [(20, 50), (80, 50), (50, 50)], "..."),  # along it
        (LEVEL, [(50, 40), (50, 51), (50, 49), (50, 51), (50, 52)], "....."),  # jitters
        (LEVEL, [(50, 40), (50, 51), (50, 49), (50, 51), (50, 53)], "....i"),  # and goes on
        (LEVEL, [(50, 40), (50, 51), (50, 49), (50, 40)], "...."),  # and goes back
        (LEVEL, [(50, 49), (50, 51), (50, 49), (50, 60)], "...i"),  # begins beside it
        (LEVEL, [(89, 49), (89, 51), (89, 49), (95, 49), (95, 60)], "....."),  # leaves by the end
    ],
)
def test_a_line_by_hand(
    line: list[list[float]], points: list[tuple[float, float]], seen: str
) -> None:
    assert passages(line, points) == seen


def test_tracks_know_nothing_of_each_other() -> None:
    watch = LineWatch(np.array(LEVEL, dtype=float))
    assert [watch.step(1, (50, 40), 2), watch.step(2, (50, 60), 2)] == [None, None]
    assert [watch.step(1, (50, 60), 2), watch.step(2, (50, 40), 2)] == ["in", "out"]


def orientation(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (value > 0) - (value < 0)


def crosses(p: tuple[int, int], q: tuple[int, int], a: tuple[int, int], b: tuple[int, int]) -> int:
    """1 or -1 where pq, neither end on the endless line ab, goes over ab, its ends included."""
    before, after = orientation(a, b, p), orientation(a, b, q)
    if before * after >= 0:
        return 0
    share = Fraction(1, 1) * _area(a, b, p) / (_area(a, b, p) - _area(a, b, q))
    x, y = (p[i] + share * (q[i] - p[i]) for i in (0, 1))
    along = (b[0] - a[0]) * (x - a[0]) + (b[1] - a[1]) * (y - a[1])
    return after if 0 <= along <= (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2 else 0


def _area(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> Fraction:
    return Fraction((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def test_random_ways_against_exact_fractions() -> None:
    rng = np.random.default_rng(4)
    seen = expected = 0
    for _ in range(2000):
        values = [(int(x), int(y)) for x, y in rng.integers(0, 30, (4, 2))]
        a, b, p, q = values
        if a == b or orientation(a, b, p) == 0 or orientation(a, b, q) == 0:
            continue
        watch = LineWatch(np.array([a, b], dtype=float))
        assert watch.step(1, p, 0) is None
        way = {"in": 1, "out": -1, None: 0}[watch.step(1, q, 0)]
        wanted = crosses(p, q, a, b)
        if wanted != way:  # within a rounding of an end
            assert abs(crosses(p, q, a, b)) + abs(way) == 1 and _through_end(p, q, a, b)
        seen, expected = seen + abs(way), expected + abs(wanted)
    assert expected > 200 and abs(seen - expected) <= 5


def _through_end(
    p: tuple[int, int], q: tuple[int, int], a: tuple[int, int], b: tuple[int, int]
) -> bool:
    return orientation(p, q, a) == 0 or orientation(p, q, b) == 0


def winding(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """Inside by counting the sides that a ray to the right meets."""
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


def test_inside_against_a_ray() -> None:
    """A zone like an L, with a notch that is outside."""
    corners = [(10.0, 10.0), (60.0, 10.0), (60.0, 30.0), (30.0, 30.0), (30.0, 70.0), (10.0, 70.0)]
    watch, rng = ZoneWatch(np.array(corners)), np.random.default_rng(0)
    inside = 0
    for number in range(2000):
        x, y = rng.uniform(0, 80, 2).tolist()
        found = watch.step(number, (x, y), 0.0, 0.0).inside
        assert found == winding(x, y, corners)
        inside += found
    assert 300 < inside < 900


SQUARE = [(20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0)]


@pytest.mark.parametrize(
    ("xs", "visits", "seconds"),
    [
        ([0, 10, 30, 50, 70, 90], "..e.l.", 2.0),  # in at 2 s, out at 4 s
        ([30, 40, 70], "..l", 2.0),  # first seen inside: entered nothing
        ([0, 20, 0], "...", 1.0),  # touches the border, which is the zone's
        ([0, 21, 19, 21, 19, 0], "......", 2.0),  # jitters on the border
        ([0, 21, 19, 21, 30, 0], "....el", 3.0),  # and goes on
        ([0, 80], "..", 0.0),  # through it between two frames: never seen inside
    ],
)
def test_a_zone_by_hand(xs: list[float], visits: str, seconds: float) -> None:
    """A second from frame to frame, at half height; 4 px past the border count."""
    watch = ZoneWatch(np.array(SQUARE))
    steps = [watch.step(1, (x, 40), 1000.0 * at, 4) for at, x in enumerate(xs)]
    signs = {"entered": "e", "left": "l", None: "."}
    assert "".join(signs[each.visit] for each in steps) == visits
    assert sum(each.seconds for each in steps) == seconds
    assert sum(each.new for each in steps) == (1 if any(20 <= x <= 60 for x in xs) else 0)


def test_a_zone_smaller_than_the_margin_is_entered_all_the_same() -> None:
    watch = ZoneWatch(np.array(SQUARE))
    visits = [watch.step(1, (x, 40), 0.0, 500).visit for x in (0, 40, 80)]
    assert visits == [None, "entered", "left"]


def test_a_picture_that_doubles_takes_line_and_zone_with_it() -> None:
    line, zone = LineWatch(np.array(LEVEL, dtype=float)), ZoneWatch(np.array(SQUARE))
    assert line.step(1, (50, 40), 2) is None and not zone.step(1, (0, 40), 0.0, 2).inside
    line.move_to(np.array(LEVEL, dtype=float) * 2)
    zone.move_to(np.array(SQUARE) * 2)
    assert line.step(1, (100, 90), 4) is None and line.step(1, (100, 110), 4) == "in"
    assert zone.step(1, (80, 80), 40.0, 4).visit == "entered"
