"""The shape of the network's input: no more of it than a set's pictures fill."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from yolokit.config import Config
from yolokit.heads.family import family_of

_WHOLE = 0.95  # of the pictures lose nothing
_MULTIPLE = 32  # pixels: sides that the strides of every backbone divide


def fit_input(config: Config, sizes_hw: NDArray[np.int64]) -> Config:
    """The config with its square input cut to the shape of the pictures.

    A letterboxed picture leaves the rest of a square grey, which costs as much as a picture's
    pixels do: three quarters of the work of a 4:1 panorama. At least 95 % of the pictures are as
    large in the cut input as in the square; those of another shape become smaller.

    Args:
        config: as read. ``data.rectangular`` decides, ``auto`` as the recipe and head suggest; an
            image size of two numbers is kept.
        sizes_hw: [I, 2] (height, width) of the training pictures, pixels.

    Returns:
        A config without ``data.rectangular: auto``.
    """
    data, family = config.data, family_of(config.model.head)
    rectangular = data.rectangular
    if rectangular == "auto":
        rectangular = config.train.recipe == "adaptive" and family.rectangular
    size = data.image_size
    if rectangular and isinstance(size, int) and len(sizes_hw):
        height, width = _sides(size, sizes_hw, math.lcm(_MULTIPLE, family.input_multiple))
        size = size if height == width else (height, width)
    data = data.model_copy(update={"rectangular": rectangular, "image_size": size})
    return config.model_copy(update={"data": data})


def _sides(longest: int, sizes_hw: NDArray[np.int64], multiple: int) -> tuple[int, int]:
    needed = sizes_hw * (longest / sizes_hw.max(axis=1, keepdims=True))  # [I, 2] pixels
    height, width = np.quantile(needed, _WHOLE, axis=0, method="higher")
    return _up(height, longest, multiple), _up(width, longest, multiple)


def _up(side: float, longest: int, multiple: int) -> int:
    return min(longest, math.ceil(round(side, 3) / multiple) * multiple)
