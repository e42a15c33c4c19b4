"""Values as colours that everybody can tell apart, with the scale they follow.

Shape legend: H × W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolokit.explain.lettering import written

# Viridis (Smith and van der Walt 2015, CC0) at eighths: one order of lightness for any colour
# vision, and in grey.
_VIRIDIS = np.array(
    [
        *((68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141)),
        *((39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)),
    ]
)
_BAR_PX, _BAR_WIDTH = 14, 220
_FONT_PX = 15
_FADED, _SHOWN = 0.3, 0.45  # how much colour covers a picture where a map is 0, and more where 1


def coloured(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values [...] in 0..1 as colours [..., 3], dark blue for 0, yellow for 1."""
    stops = np.linspace(0, 1, len(_VIRIDIS))
    channels = [np.interp(values, stops, _VIRIDIS[:, channel]) for channel in range(3)]
    return np.asarray(np.round(np.stack(channels, -1)), dtype=np.uint8)


def laid_over(picture: NDArray[np.uint8], values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A map [H, W] in 0..1 over a picture [H, W, 3], whose own colours are taken out."""
    grey = picture.mean(-1, keepdims=True)
    cover = (_FADED + _SHOWN * values)[..., None]
    return np.asarray(np.round(grey * (1 - cover) + coloured(values) * cover), dtype=np.uint8)


def scale_bar(low: str, high: str) -> NDArray[np.uint8]:
    """The colours from 0 to 1 between two words."""
    ends = [written(f"{word} ", _FONT_PX) for word in (low, f" {high}")]
    bar = np.broadcast_to(coloured(np.linspace(0, 1, _BAR_WIDTH))[None], (_BAR_PX, _BAR_WIDTH, 3))
    height = max(end.shape[0] for end in ends)
    above = (height - _BAR_PX) // 2
    middle = np.full((height, _BAR_WIDTH, 3), 255, dtype=np.uint8)
    middle[above : above + _BAR_PX] = bar
    return np.concatenate([ends[0], middle, ends[1]], axis=1)
