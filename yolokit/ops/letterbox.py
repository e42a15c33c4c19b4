"""Letterbox geometry: where an original picture lies in the network's input, and back.

NumPy only, so that the way back from an exported model needs no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolokit.types import Letterbox


def fit_letterbox(original_hw: tuple[int, int], input_hw: tuple[int, int] | None) -> Letterbox:
    """Place a picture in the input: largest size that fits, aspect kept, centred.

    Args:
        original_hw: the picture's (height, width), pixels, each >= 1.
        input_hw: the network input's (height, width), pixels, each >= 1; None of a network that
            takes pictures as they are, for which nothing is scaled or padded.

    Raises:
        ValueError: a size is below one pixel.
    """
    if input_hw is None:
        input_hw = original_hw
    if min(*original_hw, *input_hw) < 1:
        raise ValueError(f"sizes must be at least 1 px, got {original_hw} and {input_hw}")
    scale = min(input_hw[0] / original_hw[0], input_hw[1] / original_hw[1])
    resized_h, resized_w = (max(1, round(side * scale)) for side in original_hw)
    return Letterbox(
        original_hw=original_hw,
        input_hw=input_hw,
        scale_xy=(resized_w / original_hw[1], resized_h / original_hw[0]),
        pad_xy=((input_hw[1] - resized_w) // 2, (input_hw[0] - resized_h) // 2),
    )


def resized_hw(letterbox: Letterbox) -> tuple[int, int]:
    """The (height, width) in pixels that the picture has inside the input."""
    original_h, original_w = letterbox.original_hw
    scale_x, scale_y = letterbox.scale_xy
    return round(original_h * scale_y), round(original_w * scale_x)


def boxes_to_input(boxes: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    """Boxes [N, 4] xyxy from original to input pixels; an empty array stays empty."""
    scale = np.array(letterbox.scale_xy * 2, dtype=np.float64)
    pad = np.array(letterbox.pad_xy * 2, dtype=np.float64)
    return (boxes * scale + pad).astype(np.float32)


def boxes_to_original(boxes: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    """Boxes [N, 4] xyxy from input to original pixels, clipped to the picture."""
    scale = np.array(letterbox.scale_xy * 2, dtype=np.float64)
    pad = np.array(letterbox.pad_xy * 2, dtype=np.float64)
    height, width = letterbox.original_hw
    limit = np.array([width, height, width, height], dtype=np.float64)
    return np.clip((boxes - pad) / scale, 0.0, limit).astype(np.float32)
