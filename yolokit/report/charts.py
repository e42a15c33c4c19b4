"""Charts as inline SVG: no library, no script; colours come from the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from yolokit.report.page import Html, text

_COLOURS = 6  # classes s0 to s5 of the page's style
_LONGEST_PLAIN = 5  # characters of a number on an axis, beyond which it is written with an exponent
_MOST_DOTS = 60  # points on a line from which dots would only thicken it


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A chart's size and the values along its axes, in SVG units and data units.

    Args:
        size: (width, height) of the drawing.
        margins: (left, top, right, bottom) around the plotted area.
        x_range: values at its left and right edge.
        y_range: values at its lower and upper edge.
    """

    size: tuple[int, int]
    margins: tuple[int, int, int, int]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the plotted area."""
        left, top, right, bottom = self.margins
        return left, top, self.size[0] - right, self.size[1] - bottom

    def x(self, value: float) -> float:
        """Where a value lies horizontally; in the middle when there is but one."""
        left, _, right, _ = self.edges
        low, high = self.x_range
        share = (value - low) / (high - low) if high > low else 0.5
        return left + share * (right - left)

    def y(self, value: float) -> float:
        """Where a value lies vertically."""
        _, top, _, bottom = self.edges
        low, high = self.y_range
        return bottom - (value - low) / (high - low) * (bottom - top)


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart: (x, y) points, of which those that are no number are left out."""

    name: str
    points: Sequence[tuple[float, float]]
    note: str = ""

    @property
    def known(self) -> list[tuple[float, float]]:
        """The points that can be drawn."""
        return [point for point in self.points if math.isfinite(point[1])]


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    mark: tuple[float, str] | None = None,
) -> Html:
    """Lines over a common x axis of whole numbers, from zero upwards, with a legend.

    Args:
        title: says what is drawn.
        series: each with at least one point; one without any number has only its legend.
        x_label: name of the x axis.
        y_label: name of the y axis, with its unit where it has one.
        mark: an x to mark by an upright line, and its name.
    """
    xs = [x for each in series for x, _ in each.points]
    highest = max((y for each in series for _, y in each.known), default=0.0)
    y_ticks = ticks(0.0, highest if highest > 0 else 1.0, whole=False)
    frame = Frame(
        size=(360, 224),
        margins=(64, 10, 16, 38),
        x_range=(min(xs), max(xs)),
        y_range=(0.0, y_ticks[-1]),
    )
    x_ticks = [each for each in ticks(min(xs), max(xs), whole=True) if each <= max(xs)]
    return _figure(title, frame, (x_ticks, y_ticks), (x_label, y_label), series, mark)


def unit_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    mark: tuple[float, str] | None = None,
) -> Html:
    """Lines of shares over shares, both axes from 0 to 1, with a legend.

    Args:
        title: says what is drawn.
        series: each with at least one point.
        x_label: name of the x axis.
        y_label: name of the y axis.
        mark: an x to mark by an upright line, and its name.
    """
    frame = Frame(size=(360, 224), margins=(56, 10, 16, 38), x_range=(0, 1), y_range=(0, 1))
    fifths = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    return _figure(title, frame, (fifths, fifths), (x_label, y_label), series, mark)


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> Html:
    """Bars to the right from zero, one under the other, each with its number.

    Args:
        title: says what is drawn, with its unit.
        bars: name and value of each, at least one; what is below zero has no bar.
    """
    width, height, left, right = 360, 26, 64, 64
    most = max((value for _, value in bars), default=0.0) or 1.0
    drawing = []
    for number, (name, value) in enumerate(bars):
        length = max(0.0, value) / most * (width - left - right)
        middle = number * height + height / 2
        drawing += [
            f'<text x="{left - 8}" y="{middle + 4:g}" text-anchor="end">{text(name)}</text>',
            f'<rect class="bar" x="{left}" y="{middle - 8:g}" width="{length:.1f}" height="16"/>',
            f'<text x="{left + length + 6:.1f}" y="{middle + 4:g}">{text(f"{value:.1f}")}</text>',
        ]
    label = text(title)
    return Html(
        f"<figure>\n<figcaption>{label}</figcaption>\n"
        f'<svg viewBox="0 0 {width} {height * len(bars)}" role="img" aria-label="{label}">\n'
        + "\n".join(drawing)
        + "\n</svg>\n</figure>"
    )


def precision_recall_chart(name: str, precision: Sequence[float]) -> Html:
    """Precision over recall 0..1 of one class.

    Args:
        name: caption.
        precision: at evenly spaced recalls from 0 to 1, two or more.
    """
    frame = Frame(size=(200, 190), margins=(46, 10, 10, 40), x_range=(0, 1), y_range=(0, 1))
    last = len(precision) - 1
    points = [(index / last, value) for index, value in enumerate(precision)]
    corners = f"{_points(frame, _bends(points))} {frame.x(1):g},{frame.y(0):g}"
    drawing = [
        _axes(frame, [0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        _names(frame, "recall", "precision"),
        Html(f'<polygon class="area" points="{frame.x(0):g},{frame.y(0):g} {corners}"/>'),
        Html(f'<polyline class="line s0" points="{_points(frame, _bends(points))}"/>'),
    ]
    title = f"precision over recall: {name}"
    return Html(
        f"<figure>\n{_svg(frame, title, drawing)}\n<figcaption>{text(name)}</figcaption>\n</figure>"
    )


def ticks(low: float, high: float, *, whole: bool) -> list[float]:
    """About five round values that cover a range; the last is ``high`` or the first above it.

    Args:
        low: start of the range.
        high: its end, not below ``low``.
        whole: whole numbers only.
    """
    rough = max((high - low) / 5, 1.0 if whole else 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _figure(
    title: str,
    frame: Frame,
    ticks_xy: tuple[Sequence[float], Sequence[float]],
    names_xy: tuple[str, str],
    series: Sequence[Series],
    mark: tuple[float, str] | None,
) -> Html:
    drawing = [_axes(frame, *ticks_xy), _names(frame, *names_xy)]
    if mark is not None:
        drawing.append(_mark(frame, *mark))
    drawing += [_line(frame, each, number % _COLOURS) for number, each in enumerate(series)]
    legend = "".join(_legend(each, number % _COLOURS) for number, each in enumerate(series))
    return Html(
        f"<figure>\n<figcaption>{text(title)}</figcaption>\n{_svg(frame, title, drawing)}\n"
        f'<div class="legend">{legend}</div>\n</figure>'
    )


def _join(parts: Sequence[Html]) -> Html:
    return Html("\n".join(parts))


def _svg(frame: Frame, title: str, drawing: Sequence[Html]) -> Html:
    width, height = frame.size
    return Html(
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(title)}">\n'
        f"{_join(drawing)}\n</svg>"
    )


def _axes(frame: Frame, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Html:
    left, _, right, bottom = frame.edges
    parts = []
    for value, label in zip(y_ticks, _tick_labels(y_ticks), strict=True):
        y = frame.y(value)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in x_ticks:
        x = frame.x(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    return Html("\n".join(parts))


def _names(frame: Frame, x_label: str, y_label: str) -> Html:
    left, top, right, bottom = frame.edges
    across, up = (left + right) / 2, (top + bottom) / 2
    return Html(
        f'<text x="{across:g}" y="{frame.size[1] - 3}" text-anchor="middle">{text(x_label)}</text>'
        f'\n<text transform="translate(12 {up:g}) rotate(-90)" text-anchor="middle">'
        f"{text(y_label)}</text>"
    )


def _tick_labels(values: Sequence[float]) -> list[str]:
    """An axis's numbers, all written alike and in at most six characters: 0.25, 5000, 1.5e-3."""
    plain = [f"{value:g}" for value in values]
    if max(map(len, plain), default=0) <= _LONGEST_PLAIN:
        return plain
    return [_with_exponent(value) for value in values]


def _with_exponent(value: float) -> str:
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _mark(frame: Frame, at: float, name: str) -> Html:
    _, top, right, bottom = frame.edges
    x = frame.x(at)
    side, shift = ("end", -4) if x > right - 40 else ("start", 4)
    return Html(
        f'<path class="mark" d="M{x:.1f} {top}V{bottom}"/>\n'
        f'<text class="halo" x="{x + shift:.1f}" y="{bottom - 6}" text-anchor="{side}">'
        f"{text(name)}</text>"
    )


def _line(frame: Frame, series: Series, colour: int) -> Html:
    known = series.known
    parts = [f'<polyline class="line s{colour}" points="{_points(frame, known)}"/>']
    if len(known) <= _MOST_DOTS:
        parts += [
            f'<circle class="dot s{colour}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2">'
            f"<title>{text(f'{series.name} {y:.4g} at {x:g}')}</title></circle>"
            for x, y in known
        ]
    return Html("\n".join(parts))


def _legend(series: Series, colour: int) -> Html:
    label = f"{series.name} {series.note}".strip()
    return Html(
        f'<span><svg viewBox="0 0 24 8" aria-hidden="true"><path class="line s{colour}" '
        f'd="M0 4H24"/></svg>{text(label)}</span>'
    )


def _points(frame: Frame, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)


def _bends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those inside a level stretch: the same line in fewer words."""
    return [
        point
        for index, point in enumerate(points)
        if not 0 < index < len(points) - 1
        or not points[index - 1][1] == point[1] == points[index + 1][1]
    ]
