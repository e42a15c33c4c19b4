"""Lines and zones with their counts, on a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.drawing import Rgb, draw_note
from yolokit.tracking.counting import Tally

_COLOUR: Rgb = (255, 255, 255)
_RIM: Rgb = (20, 20, 20)
_SHARE = 1 / 300  # thickness, as a share of the frame's longer side
_ARROW_SHARE = 1 / 20  # length of the arrow, likewise


def draw_line(canvas: NDArray[np.uint8], points: NDArray[np.float64], tally: Tally) -> None:
    """A line with an arrow that points to where ``in`` leads; changes the canvas.

    Args:
        canvas: [H, W, 3] uint8 RGB.
        points: [2, 2] xy pixels.
        tally: its counts.
    """
    start, end = points
    middle = (start + end) / 2
    along = (end - start) / np.hypot(*(end - start))
    right = np.array([-along[1], along[0]])  # y points down
    tip = middle + right * max(canvas.shape[:2]) * _ARROW_SHARE
    for colour, extra in ((_RIM, 2), (_COLOUR, 0)):
        thickness = _thickness(canvas) + extra
        cv2.line(canvas, _whole(start), _whole(end), colour, thickness, cv2.LINE_AA)
        cv2.arrowedLine(canvas, _whole(middle), _whole(tip), colour, thickness, cv2.LINE_AA, 0, 0.4)
    text = f"{tally.place}: in {tally.total('in'):g}, out {tally.total('out'):g}"
    draw_note(canvas, text, _pair(start * 0.75 + end * 0.25), _COLOUR)


def draw_zone(canvas: NDArray[np.uint8], points: NDArray[np.float64], tally: Tally) -> None:
    """A zone's border; changes the canvas.

    Args:
        canvas: [H, W, 3] uint8 RGB.
        points: [N, 2] xy pixels.
        tally: its counts.
    """
    corners = [points.round().astype(np.int32)]
    for colour, extra in ((_RIM, 2), (_COLOUR, 0)):
        thickness = _thickness(canvas) + extra
        cv2.polylines(canvas, corners, True, colour, thickness, cv2.LINE_AA)
    counts = ", ".join(f"{kind} {tally.total(kind):g}" for kind in ("inside", "entered", "left"))
    place_xy = float(points[:, 0].mean()), float(points[:, 1].min())
    draw_note(canvas, f"{tally.place}: {counts}", place_xy, _COLOUR)


def _thickness(canvas: NDArray[np.uint8]) -> int:
    longer: int = max(canvas.shape[:2])
    return max(1, round(longer * _SHARE))


def _whole(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _pair(point: NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
