"""A picture to draw on by the coordinates of the network's input.

Shape legend: H × W pixels of the canvas; h × w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.drawing import Rgb, draw_tagged
from yolokit.explain.seen import Seen

_LONG_SIDE = {1: 960, 2: 800, 3: 620}  # px of a figure, by how many stand in a row
_LINE_ALPHA = 0.4  # of the grid's lines


def layout(seen: Seen, figures: int) -> tuple[int, int]:
    """How many figures of a picture stand in a row, and the pixels of their longer side."""
    height, width = seen.image.shape[:2]
    columns = 1 if width > 2 * height else min(figures, max(_LONG_SIDE))
    return columns, _LONG_SIDE[columns]


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Pixels [H, W, 3] uint8 RGB, drawn on in place, and where the input's pixels lie in them."""

    pixels: NDArray[np.uint8]
    scale: tuple[float, float]  # canvas pixels an input pixel, x and y
    origin: tuple[float, float]  # x, y in the input of the canvas's corner

    @classmethod
    def of(cls, seen: Seen, long_side: int) -> Canvas:
        """The picture without padding, its longer side so many pixels."""
        left, top, right, bottom = seen.frame
        height, width = seen.image.shape[:2]
        factor = long_side / max(height, width)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        resized = Image.fromarray(seen.image).resize(size, Image.Resampling.LANCZOS)
        scale = size[0] / (right - left), size[1] / (bottom - top)
        return cls(np.array(resized), scale, (left, top))

    def boxes(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes [K, 4] xyxy from input to canvas pixels."""
        moved = (boxes.reshape(-1, 4) - np.array(self.origin * 2)) * np.array(self.scale * 2)
        return np.asarray(moved, dtype=np.float32)

    def fill(self, box: Sequence[float], colour: Rgb, alpha: float) -> None:
        """Tint a rectangle, xyxy input pixels; the rim is opaque."""
        rectangle = self._rectangle(box)
        if rectangle is None:
            return
        x1, y1, x2, y2 = rectangle
        part = self.pixels[y1:y2, x1:x2]
        part[:] = np.round(part * (1 - alpha) + np.array(colour) * alpha)
        rim = 2 if min(x2 - x1, y2 - y1) > 8 else 1
        for side in (part[:rim], part[-rim:], part[:, :rim], part[:, -rim:]):
            side[:] = colour

    def grid(self, stride_hw: tuple[float, float], cells_hw: tuple[int, int]) -> None:
        """The lines between cells."""
        for axis, (stride, count) in enumerate(zip(stride_hw, cells_hw, strict=True)):
            side = 1 - axis  # rows lie along y
            places = (np.arange(count + 1) * stride - self.origin[side]) * self.scale[side]
            inside = np.round(places[(places >= 0) & (places < self.pixels.shape[axis])])
            at = np.clip(inside.astype(int), 0, self.pixels.shape[axis] - 1)
            lines = (at, slice(None)) if axis == 0 else (slice(None), at)
            self.pixels[lines] = np.round(
                self.pixels[lines] * (1 - _LINE_ALPHA) + 255 * _LINE_ALPHA
            )

    def spread(
        self, values: NDArray[np.floating], stride: float, *, smooth: bool
    ) -> NDArray[np.float64]:
        """A map [h, w] over the input at [H, W] canvas pixels, each cell where it lies.

        Args:
            values: a value a cell.
            stride: input pixels from cell to cell.
            smooth: blended from middle to middle of the cells, not in squares.
        """
        weights = [
            _weights(self._inputs(axis) / stride, values.shape[axis], smooth) for axis in (0, 1)
        ]
        return np.asarray(weights[0] @ values @ weights[1].T)

    def _inputs(self, axis: int) -> NDArray[np.float64]:
        """Where the middles of the canvas's pixels lie in the input, along an axis."""
        side = 1 - axis  # rows lie along y
        middles = np.arange(self.pixels.shape[axis]) + 0.5
        return np.asarray(middles / self.scale[side] + self.origin[side])

    def outlined(
        self, boxes: NDArray[np.float32], texts: Sequence[str], colours: Sequence[Rgb]
    ) -> NDArray[np.uint8]:
        """A copy with boxes [K, 4] xyxy input pixels, a text and a colour each."""
        return draw_tagged(self.pixels, self.boxes(boxes), texts, colours)

    def _rectangle(self, box: Sequence[float]) -> tuple[int, int, int, int] | None:
        """In whole canvas pixels; None outside it."""
        corners = self.boxes(np.asarray(box, dtype=np.float32))[0]
        height, width = self.pixels.shape[:2]
        x1, y1 = max(round(float(corners[0])), 0), max(round(float(corners[1])), 0)
        x2, y2 = min(round(float(corners[2])), width), min(round(float(corners[3])), height)
        return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def _weights(places: NDArray[np.float64], cells: int, smooth: bool) -> NDArray[np.float64]:
    """How much of each cell is at each place, which counts in cells: [places, cells]."""
    if not smooth:
        at = np.clip(np.floor(places).astype(int), 0, cells - 1)
        return np.asarray(np.eye(cells)[at])
    middles = np.arange(cells) + 0.5
    return np.stack([np.interp(places, middles, own) for own in np.eye(cells)], axis=1)
