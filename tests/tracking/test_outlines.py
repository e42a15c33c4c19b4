"""Lines and zones as they are written."""

from __future__ import annotations

import pytest

from yolokit.errors import ConfigError
from yolokit.tracking.outlines import parse_line, parse_zone

HW = (80, 200)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("10,20,30,40", [[10, 20], [30, 40]]),
        ("0,50%,100%,50%", [[0, 40], [200, 40]]),
        (" 10 , 25% ,-5, 1e1", [[10, 20], [-5, 10]]),
        ("0,0.5,1,0.5", [[0, 40], [200, 40]]),
        ("0.25, .1, 0.75, 1", [[50, 8], [150, 80]]),
        ("0,0,1,1", [[0, 0], [200, 80]]),  # of two pixels it would be none
        ("0,0,1,2", [[0, 0], [1, 2]]),
        ("0,0,50%,1", [[0, 0], [100, 1]]),  # beside percent, numbers are pixels
    ],
)
def test_pixels_percent_and_shares(text: str, points: list[list[float]]) -> None:
    assert parse_line(text).points(HW).tolist() == points


def test_a_zone_has_any_number_of_corners() -> None:
    zone = parse_zone("0,0,50%,0,50%,100%,0,100%").points(HW)
    assert zone.tolist() == [[0, 0], [100, 0], [100, 80], [0, 80]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,2,3", "'1,2,3' has 3 numbers"),
        ("1,2,3,x", "'x' in '1,2,3,x' is no number"),
        ("1,2,3,nan", "'nan' in '1,2,3,nan' is no number"),
        ("1,2,3,", "'' in '1,2,3,' is no number"),
        ("0,0.5,640,0.5", "0.5 in '0,0.5,640,0.5' may be a share or a pixel. Give 50%"),
        ("0,0.5,100%,9", "0.5 in '0,0.5,100%,9' may be a share or a pixel. Give 50%"),
        ("0,120%,1,1", "120% in '0,120%,1,1' is not from 0% to 100%"),
    ],
)
def test_what_is_no_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("(", "\\(")):
        parse_line(text)


@pytest.mark.parametrize("text", ["0,0,9,9", "0,0,9,9,2", "0,0,9,9,2,2,3", "0,0,1,1"])
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(ConfigError, match="a zone is x1,y1"):
        parse_zone(text)


def test_what_lies_outside_or_has_no_extent_is_told_with_the_size() -> None:
    with pytest.raises(ConfigError) as told:
        parse_line("300,10,400,10").points(HW)
    assert str(told.value) == (
        "300,10,400,10 lies outside the picture, which is 200x80 pixels. "
        "Give pixels inside it, or percent: 0,50%,100%,50%"
    )
    with pytest.raises(ConfigError, match=r"^0.5,0.5,0.5,0.5 has no length"):
        parse_line("0.5,0.5,0.5,0.5").points(HW)
    with pytest.raises(ConfigError, match="has no length"):
        parse_line("7,7,7,7").points(HW)
    with pytest.raises(ConfigError, match="has no area"):
        parse_zone("0,0,10,10,20,20").points(HW)
