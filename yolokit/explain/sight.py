"""Which input pixels a cell of a feature map can see: arithmetic over windows, along one axis.

Cell i of a map reads input pixels ``low(i)`` to ``high(i)``. Both repeat: cell i + P reads what
cell i does, ``shift`` pixels on. Enlarging a map makes P grow, for its cells share sources. Maps
that drift apart, for one of them was stretched by a cell, repeat each in its own way.
Arithmetic of Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", distill.pub, with periods in place of their one interval.

Shape legend: P cells of a period.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Pattern:
    """What repeats along one axis, input pixels, borders left aside.

    Args:
        lows: [P] first pixel of cells 0..P-1.
        highs: [P] their last pixel.
        shift: pixels from cell i to cell i + P.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]
    shift: int

    @property
    def stride(self) -> Fraction:
        """Input pixels from cell to cell."""
        return Fraction(self.shift, len(self.lows))

    def low(self, cell: int) -> int:
        """The first pixel that a cell sees; negative ones lie before the picture."""
        periods, rest = divmod(cell, len(self.lows))
        return self.lows[rest] + periods * self.shift

    def high(self, cell: int) -> int:
        """The last pixel that a cell sees."""
        periods, rest = divmod(cell, len(self.highs))
        return self.highs[rest] + periods * self.shift


@dataclass(frozen=True, slots=True)
class Axis:
    """What the cells along one axis of a map see: from the first to the last pixel of all patterns.

    Args:
        patterns: at least one, each of another stride.
    """

    patterns: tuple[Pattern, ...]

    def low(self, cell: int) -> int:
        """The first pixel that a cell sees; negative ones lie before the picture."""
        return min(pattern.low(cell) for pattern in self.patterns)

    def high(self, cell: int) -> int:
        """The last pixel that a cell sees."""
        return max(pattern.high(cell) for pattern in self.patterns)

    def size(self, cells: int) -> int:
        """Pixels that the cell sees that sees most, of cells 0..cells-1."""
        return max(self.high(cell) - self.low(cell) for cell in range(cells)) + 1

    @property
    def stride(self) -> Fraction:
        """Input pixels from cell to cell; where maps drift apart, on average over them."""
        strides = [pattern.stride for pattern in self.patterns]
        return sum(strides, Fraction()) / len(strides)


PIXELS = Axis((Pattern((0,), (0,), 1),))  # of the input: each sees itself


def windowed(axis: Axis, *, kernel: int, stride: int, padding: int, dilation: int = 1) -> Axis:
    """After a convolution or pooling: cell i reads cells i·stride - padding + k·dilation."""
    reach = (kernel - 1) * dilation

    def read(cell: int) -> Sequence[int]:
        first = cell * stride - padding
        return range(first, first + reach + 1, dilation)

    return resampled(axis, old=stride, new=1, read=read)


def shifted(axis: Axis, before: int) -> Axis:
    """After ``before`` cells of padding."""
    return resampled(axis, old=1, new=1, read=lambda cell: [cell - before])


def resampled(axis: Axis, *, old: int, new: int, read: Callable[[int], Sequence[int]]) -> Axis:
    """After anything that reads old cells in a way that repeats.

    Args:
        axis: of the map before.
        old: cells of it after which it repeats.
        new: cells made of those.
        read: the old cells that a new one reads.
    """
    return Axis(tuple(_read(pattern, old, new, read) for pattern in axis.patterns))


def joined(axes: Sequence[Axis]) -> Axis:
    """Of maps that are added or stacked: what either sees."""
    by_stride: dict[Fraction, list[Pattern]] = {}
    for axis in axes:
        for pattern in axis.patterns:
            by_stride.setdefault(pattern.stride, []).append(pattern)
    return Axis(tuple(map(_united, by_stride.values())))


def _read(pattern: Pattern, old: int, new: int, read: Callable[[int], Sequence[int]]) -> Pattern:
    times = len(pattern.lows) // math.gcd(len(pattern.lows), old)
    cells = range(times * new)
    return Pattern(
        tuple(min(map(pattern.low, read(cell))) for cell in cells),
        tuple(max(map(pattern.high, read(cell))) for cell in cells),
        int(pattern.stride * times * old),
    )


def _united(patterns: Sequence[Pattern]) -> Pattern:
    """Of one stride."""
    cells = range(math.lcm(*(len(pattern.lows) for pattern in patterns)))
    return Pattern(
        tuple(min(pattern.low(cell) for pattern in patterns) for cell in cells),
        tuple(max(pattern.high(cell) for pattern in patterns) for cell in cells),
        int(patterns[0].stride * len(cells)),
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What the cells of a map see.

    Args:
        rows: along the picture's height; None where the map has lost its places.
        cols: along its width, likewise.
        whole: something in it, such as a mean over all cells, sees the whole picture.
    """

    rows: Axis | None
    cols: Axis | None
    whole: bool = False


EVERYTHING = Sight(None, None, whole=True)


def joined_sights(sights: Sequence[Sight]) -> Sight | None:
    """Of maps that are added, multiplied or stacked; None where nothing is known of any."""
    placed = [each for each in sights if each.rows is not None and each.cols is not None]
    whole = any(each.whole for each in sights)
    if not placed:
        return EVERYTHING if whole else None
    rows = joined([each.rows for each in placed if each.rows is not None])
    cols = joined([each.cols for each in placed if each.cols is not None])
    return Sight(rows, cols, whole)
