"""Lines and zones as a user writes them: ``x1,y1,x2,y2``, in pixels, percent or shares of 1.

No line or zone fits into a single pixel: where all numbers are from 0 to 1, they are shares of the
picture's width and height, as other programs write them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ConfigError

_SMALLEST_AREA = 1e-6  # of the square around a zone; less is a line


@dataclass(frozen=True, slots=True)
class Outline:
    """The corners of a line or zone.

    Args:
        text: as it was written.
        values: x1, y1, x2, y2, ...
        percent: which of them are shares of the picture's width or height, in percent.
    """

    text: str
    values: tuple[float, ...]
    percent: tuple[bool, ...]

    def points(self, image_hw: tuple[int, int]) -> NDArray[np.float64]:
        """[N, 2] xy pixels of a picture of this size.

        Raises:
            ConfigError: it lies outside the picture, or its corners are one point or one line.
        """
        height, width = image_hw
        sides = (width, height) * (len(self.values) // 2)
        scales = [
            side / 100 if share else 1 for side, share in zip(sides, self.percent, strict=True)
        ]
        points = (np.array(self.values) * scales).reshape(-1, 2)
        low, high = points.min(axis=0), points.max(axis=0)
        if (high < 0).any() or low[0] > width or low[1] > height:
            raise ConfigError(
                f"{self.text} lies outside the picture, which is {width}x{height} pixels. "
                "Give pixels inside it, or percent: 0,50%,100%,50%"
            )
        if _is_flat(points):
            raise ConfigError(
                f"{self.text} has no {_EXTENT[len(points) > 2]}. Move its corners apart"
            )
        return points


_EXTENT = {False: "length", True: "area"}


def parse_line(text: str) -> Outline:
    """A line from its first to its second point.

    Raises:
        ConfigError: not four numbers.
    """
    outline = _parse(text)
    if len(outline.values) != 4:
        raise ConfigError(f"a line is x1,y1,x2,y2; {text!r} has {len(outline.values)} numbers")
    return outline


def parse_zone(text: str) -> Outline:
    """A zone with at least three corners, in their order.

    Raises:
        ConfigError: not an even number of at least six numbers.
    """
    outline = _parse(text)
    count = len(outline.values)
    if count < 6 or count % 2:
        raise ConfigError(
            f"a zone is x1,y1,x2,y2,x3,y3 and more, two for each corner; {text!r} has {count} "
            "numbers"
        )
    return outline


def _parse(text: str) -> Outline:
    parts = [part.strip() for part in text.split(",")]
    percent = tuple(part.endswith("%") for part in parts)
    values = tuple(_number(part.removesuffix("%"), text) for part in parts)
    if not any(percent) and all(0 <= value <= 1 for value in values):
        return Outline(text, tuple(100 * value for value in values), (True,) * len(values))
    for value, share in zip(values, percent, strict=True):
        _require_clear(value, share, text)
    return Outline(text, values, percent)


def _require_clear(value: float, percent: bool, text: str) -> None:
    if percent and not 0 <= value <= 100:
        raise ConfigError(f"{value:g}% in {text!r} is not from 0% to 100%")
    if not percent and 0 < value < 1:
        raise ConfigError(
            f"{value:g} in {text!r} may be a share or a pixel. Give {100 * value:g}%, or all "
            "numbers in pixels, or all as shares from 0 to 1"
        )


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"{part!r} in {text!r} is no number. Give pixels or percent with commas between: "
            "0,50%,100%,50%"
        )
    return value


def _is_flat(points: NDArray[np.float64]) -> bool:
    """Whether a line has no length, or a zone no area."""
    square = float(np.ptp(points, axis=0).max()) ** 2
    if len(points) == 2 or square == 0:
        return square == 0
    hull = cv2.convexHull(points.astype(np.float32))
    return cv2.contourArea(hull) <= _SMALLEST_AREA * square
