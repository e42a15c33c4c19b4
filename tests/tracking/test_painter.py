"""What is drawn on a frame: a track's own colour, its path, lines and zones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.drawing import Style, track_colour
from yolokit.tracking.count_films import CountEachFilm
from yolokit.tracking.painter import TrackPainter
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source

Found = Callable[..., Detections]
MakeFrame = Callable[..., Frame]
BARE = Style(line_width=1, labels=False)


def colours(image: NDArray[np.uint8]) -> set[tuple[int, ...]]:
    """All but black."""
    return {tuple(colour) for colour in np.unique(image.reshape(-1, 3), axis=0).tolist()} - {
        (0, 0, 0)
    }


def test_a_track_has_its_colour_in_every_frame_whatever_its_class(
    found: Found, frame: MakeFrame
) -> None:
    paint = TrackPainter(["car", "lorry"], BARE)
    for index, label in enumerate((0, 1, 1)):
        drawn = paint(frame(index), found([(10, 10, 40, 40, 0.9, label)], ids=[7]))
        assert colours(drawn) == {track_colour(7)}
    unconfirmed = paint(frame(3), found([(10, 10, 40, 40, 0.9, 0)], ids=[-1]))
    assert colours(unconfirmed) == {(150, 150, 150)}
    assert track_colour(7) != track_colour(8)


def test_labels_hold_the_id(found: Found, frame: MakeFrame) -> None:
    paint = TrackPainter(["car"])
    box = [(10, 30, 90, 70, 0.9, 0)]
    seven, eight = (paint(frame(0), found(box, ids=[7 + 20 * n])) for n in (0, 1))
    assert (seven != eight).any()  # one colour, other digits


def test_a_tail_is_as_long_as_was_asked_and_ends_with_the_film(
    found: Found, frame: MakeFrame
) -> None:
    """A box of 6 px, 10 px a frame, 25 frames a second; a tail of 0.1 s is two frames."""
    paint = TrackPainter(["car"], BARE, tail_seconds=0.1)
    for index in range(6):
        left = 10 * index
        drawn = paint(frame(index), found([(left, 37, left + 6, 43, 0.9, 0)], ids=[3]))
    columns = np.flatnonzero(drawn[40].any(axis=1))
    assert columns.min() in range(31, 35) and columns.max() in range(53, 57)
    other = Source("other", Kind.VIDEO)
    anew = paint(frame(0, source=other), found([(50, 37, 56, 43, 0.9, 0)], ids=[3]))
    assert np.flatnonzero(anew.any(axis=(0, 2))).min() == 50


def test_the_frame_itself_is_not_drawn_on(found: Found, frame: MakeFrame) -> None:
    shown = frame(0)
    box = found([(10, 10, 40, 40, 0.9, 0)], ids=[1])
    counted = CountEachFilm(lines=["0,50%,100%,50%"], zones=["10,10,90,10,90,70"])(shown, box)
    TrackPainter(["car"], tail_seconds=1.0)(shown, counted)
    assert not shown.image.any()


def test_a_line_is_drawn_where_it_is_and_its_arrow_points_to_in(found: Found) -> None:
    """From left to right at y = 150, so that in is down; the arrow is a 20th of 400 px long."""
    shown = Frame(np.zeros((300, 400, 3), np.uint8), Source("a", Kind.VIDEO), 0, 0.0, 25.0)
    counted = CountEachFilm(lines=["0,150,400,150"], zones=[])(shown, found([], ids=[]))
    drawn = TrackPainter(["car"])(shown, counted).max(axis=2)
    assert (drawn[150, 250:] > 200).all()
    assert not drawn[:147, 250:].any() and not drawn[154:, 250:].any()
    assert drawn[168, 200] > 200 and drawn[132, 200] == 0


@pytest.mark.parametrize("place", ["-50,-50,40,40", "90,70,150,120"])
def test_what_reaches_outside_is_drawn_as_far_as_it_is_there(
    place: str, found: Found, frame: MakeFrame
) -> None:
    shown = frame(0)
    counted = CountEachFilm(lines=[place], zones=[])(shown, found([], ids=[]))
    assert TrackPainter(["car"])(shown, counted).any()
