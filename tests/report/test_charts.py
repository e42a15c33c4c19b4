"""Charts: round ticks that cover their range, points where hand arithmetic puts them."""

from __future__ import annotations

import math
import re

import pytest

from yolokit.report.charts import Series, bar_chart, line_chart, precision_recall_chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0.0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 0.93, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 6.01, False, [0, 2, 4, 6, 8]),
        (0.0, 0.001, False, [0, 0.0002, 0.0004, 0.0006, 0.0008, 0.001]),
        (1.0, 24.0, True, [5, 10, 15, 20, 25]),
        (1.0, 3.0, True, [1, 2, 3]),
        (1.0, 1.0, True, [1]),
        (1.0, 1000.0, True, [200, 400, 600, 800, 1000]),
    ],
)
def test_ticks(low: float, high: float, whole: bool, expected: list[float]) -> None:
    assert ticks(low, high, whole=whole) == expected


def places(chart: str) -> list[list[tuple[float, float]]]:
    """The points of each line."""
    lines = re.findall(r'<polyline class="line s\d" points="([^"]*)"', chart)
    return [[tuple(map(float, p.split(","))) for p in line.split()] for line in lines]  # type: ignore[misc]


def test_points_lie_where_their_numbers_are() -> None:
    # The plotted area is x 64 to 344 and y 10 to 186. Epochs 1 to 3 span 280: 140 each. The
    # highest value is 0.8, which is a tick itself: 0.2 lies a quarter up, at 186 - 176 / 4.
    chart = line_chart("t", [Series("a", [(1, 0.8), (2, 0.2), (3, 0.0)])], x_label="x", y_label="y")
    assert places(chart) == [[(64, 10), (204, 142), (344, 186)]]


def test_what_is_no_number_is_left_out() -> None:
    some = Series("some", [(1, 1.0), (2, math.nan), (3, 0.5)])
    none = Series("none", [(1, math.nan), (2, math.inf), (3, math.nan)])
    chart = line_chart("t", [some, none], x_label="x", y_label="y")
    assert places(chart) == [[(64, 10), (344, 98)], []]
    assert "nan" not in chart and "inf" not in chart
    assert "<span>" in chart and "none</span>" in chart  # its legend stays


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_one_point_stands_in_the_middle(value: float) -> None:
    chart = line_chart("t", [Series("a", [(7, value)])], x_label="x", y_label="y")
    (((x, y),),) = places(chart)
    assert x == 204 and 10 <= y <= 186
    assert 'class="dot s0"' in chart


def test_many_points_are_a_line_without_dots() -> None:
    series = Series("a", [(x, 1.0) for x in range(100)])
    assert "circle" not in line_chart("t", [series], x_label="x", y_label="y")


def test_names_are_escaped() -> None:
    chart = line_chart(
        "<t>", [Series("<a>", [(1, 1.0)], "<n>")], x_label="<x>", y_label="<y>", mark=(1, "<m>")
    ) + precision_recall_chart("<c>", [1.0, 0.0])
    for name in "tanxymc":
        assert f"<{name}>" not in chart
        assert f"&lt;{name}&gt;" in chart


def test_precision_over_recall_keeps_every_bend() -> None:
    # x 46 to 190 over recall 0 to 1, y 150 to 10 over precision 0 to 1: 144 and 140 wide.
    chart = precision_recall_chart("c", [1.0, 1.0, 1.0, 0.5, 0.5])
    assert places(chart) == [[(46, 10), (118, 10), (154, 80), (190, 80)]]


@pytest.mark.parametrize("highest", [0.0023, 0.0008, 0.25, 7.8, 5000, 123456])
def test_numbers_of_an_axis_are_written_alike_and_clear_of_its_title(highest: float) -> None:
    """The title's letters end 16 units from the edge; a digit of 12 px is at most 7 wide."""
    chart = line_chart(
        "c", [Series("lr", [(1, 0.0), (2, highest)])], x_label="epoch", y_label="learning rate"
    )
    ends = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end">([^<]+)</text>', chart)
    assert len(ends) > 2
    assert all(float(x) - 7 * len(label) >= 16 for x, label in ends)
    assert len({"e" in label for _, label in ends if label != "0"}) == 1


def test_bars_are_as_long_as_their_numbers() -> None:
    chart = bar_chart("<points>", [("Cls", 6.0), ("Loc", 12.0), ("Miss", -0.5)])
    widths = [float(each) for each in re.findall(r'<rect class="bar"[^>]* width="([\d.]+)"', chart)]
    assert widths[1] == 2 * widths[0] > 0 and widths[2] == 0
    assert re.findall(r">([\d.-]+)</text>", chart) == ["6.0", "12.0", "-0.5"]
    assert "&lt;points&gt;" in chart and "<points>" not in chart
