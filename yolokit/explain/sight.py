"""Which input pixels a cell of a feature map can see: arithmetic over windows, along one axis.

Cell i of a map reads input pixels ``low(i)`` to ``high(i)``. Both repeat: cell i + P reads what
cell i does, ``shift`` pixels on. Enlarging a map makes P grow, for its cells share sources.
Arithmetic of Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", distill.pub, with periods in place of their one interval.

Shape legend: P cells of a period.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

_Number: TypeAlias = int | Fraction


@dataclass(frozen=True, slots=True)
class Axis:
    """What the cells along one axis of a map see, input pixels, borders left aside.

    Args:
        lows: [P] first pixel of cells 0..P-1.
        highs: [P] their last pixel.
        shift: pixels from cell i to cell i + P.
    """

    lows: tuple[_Number, ...]
    highs: tuple[_Number, ...]
    shift: _Number

    @property
    def stride(self) -> Fraction:
        """Input pixels from cell to cell."""
        return Fraction(self.shift) / len(self.lows)

    @property
    def size(self) -> int:
        """Pixels that the cell sees that sees most."""
        pairs = zip(self.lows, self.highs, strict=True)
        return math.ceil(max(high - low for low, high in pairs)) + 1

    def low(self, cell: int) -> _Number:
        """The first pixel that a cell sees; negative ones lie before the picture."""
        periods, rest = divmod(cell, len(self.lows))
        return self.lows[rest] + periods * self.shift

    def high(self, cell: int) -> _Number:
        """The last pixel that a cell sees."""
        periods, rest = divmod(cell, len(self.highs))
        return self.highs[rest] + periods * self.shift


PIXELS = Axis((0,), (0,), 1)  # of the input: each sees itself


def windowed(axis: Axis, *, kernel: int, stride: int, padding: int, dilation: int = 1) -> Axis:
    """After a convolution or pooling: cell i reads cells i·stride - padding + k·dilation."""
    period = len(axis.lows)
    cells = period // math.gcd(period, stride)
    reach = (kernel - 1) * dilation

    def read(cell: int) -> range:
        first = cell * stride - padding
        return range(first, first + reach + 1, dilation)

    return _of(axis, cells, axis.shift * (cells * stride // period), read)


def repeated(axis: Axis, factor: int) -> Axis:
    """After enlarging by whole copies: cell i reads cell i // factor."""
    cells = len(axis.lows) * factor
    return _of(axis, cells, axis.shift, lambda cell: [cell // factor])


def shifted(axis: Axis, before: int) -> Axis:
    """After ``before`` cells of padding."""
    return _of(axis, len(axis.lows), axis.shift, lambda cell: [cell - before])


def rescaled(axis: Axis, *, kernel: int, step: Fraction) -> Axis:
    """After windows that lie no whole number of cells apart: what a cell sees at most.

    Args:
        axis: of the map before.
        kernel: cells that one of the new cells reads at most.
        step: old cells from new cell to new cell.
    """
    high = axis.size - 1 + (kernel - 1) * axis.stride
    return Axis((0,), (high,), axis.stride * step)


def joined(axes: Sequence[Axis]) -> Axis | None:
    """Of maps that are added or stacked; None for maps of different strides."""
    if len({axis.stride for axis in axes}) != 1:
        return None
    cells = math.lcm(*(len(axis.lows) for axis in axes))
    return Axis(
        tuple(min(axis.low(cell) for axis in axes) for cell in range(cells)),
        tuple(max(axis.high(cell) for axis in axes) for cell in range(cells)),
        axes[0].stride * cells,
    )


def _of(axis: Axis, cells: int, shift: _Number, read: Callable[[int], Sequence[int]]) -> Axis:
    """Of ``cells`` new cells a period, each of which reads old ones."""
    return Axis(
        tuple(min(map(axis.low, read(cell))) for cell in range(cells)),
        tuple(max(map(axis.high, read(cell))) for cell in range(cells)),
        shift,
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
    """Of maps that are added, multiplied or stacked; None where their strides differ."""
    placed = [each for each in sights if each.rows is not None and each.cols is not None]
    whole = any(each.whole for each in sights)
    if not placed:
        return EVERYTHING if whole else None
    rows = joined([each.rows for each in placed if each.rows is not None])
    cols = joined([each.cols for each in placed if each.cols is not None])
    if rows is None or cols is None:
        return EVERYTHING if whole else None
    return Sight(rows, cols, whole)
