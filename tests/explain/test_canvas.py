"""Maps over a picture: each cell lies where the network has it, padding and remainders apart."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.stirred_models import stirred_model
from yolokit.explain.canvas import Canvas
from yolokit.explain.seen import Seen, look


def _seen(height: int, width: int) -> Seen:
    """A picture in an input of 64 x 96 px."""
    picture = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return look(*stirred_model("yolo"), picture)


@pytest.mark.parametrize("stride", [8, 20, 28])  # of 64 x 96: 20 and 28 leave a part of a cell
@pytest.mark.parametrize("size_hw", [(80, 100), (40, 200)])  # padded at the sides, and above
def test_a_cell_covers_its_pixels(size_hw: tuple[int, int], stride: int) -> None:
    """Each canvas pixel against the cell that its middle lies in, found by a loop."""
    seen = _seen(*size_hw)
    canvas = Canvas.of(seen, 100)
    cells = -(-64 // stride), -(-96 // stride)
    values = np.arange(np.prod(cells)).reshape(cells)
    spread = canvas.spread(values.astype(float), stride, smooth=False)
    left, top, right, bottom = seen.frame
    height, width = canvas.pixels.shape[:2]
    for y in range(0, height, 7):
        for x in range(0, width, 7):
            row = int((top + (y + 0.5) * (bottom - top) / height) // stride)
            col = int((left + (x + 0.5) * (right - left) / width) // stride)
            assert spread[y, x] == values[row, col]


def test_a_blended_map_has_each_value_in_the_middle_of_its_cell() -> None:
    """A plane over the input: value = place, so between the outer middles the place is read off."""
    seen = _seen(80, 100)
    canvas = Canvas.of(seen, 100)
    stride = 28  # middles at 14, 42, 70 and, beyond the input, 98
    middles = (np.arange(4) + 0.5) * stride
    spread = canvas.spread(np.broadcast_to(middles, (3, 4)), stride, smooth=True)
    left, _, right, _ = seen.frame
    places = left + (np.arange(100) + 0.5) * (right - left) / 100
    assert spread[0] == pytest.approx(np.maximum(places, 14))
