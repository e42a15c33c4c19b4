"""Four pictures on one input. albumentations' own mosaic keeps slivers of boxes at the inner cuts.

Works on pictures already at input resolution, so that its cost is four small resizes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.data.prepare import PAD_GREY
from yolokit.types import Sample

_CENTRE_RANGE = (0.3, 0.7)  # where the four meet, as a fraction of the input's sides
_SCALE_RANGE = (0.4, 1.0)  # of each picture, on top of its letterbox scale
MIN_SIDE = 1.0  # pixels; a thinner box teaches nothing at input resolution


def mosaic(
    samples: Sequence[Sample],
    input_hw: tuple[int, int],
    rng: random.Random,
    *,
    min_visibility: float,
) -> Sample:
    """Lay four pictures around a random centre, each at a random scale, cut at the input's edge.

    Args:
        samples: four, at input resolution, unpadded; clockwise from the top left.
        input_hw: (height, width) of the result, pixels.
        rng: where the centre and the scales come from.
        min_visibility: the fraction of a box that must remain for it to be kept.

    Returns:
        A sample of ``input_hw`` with the first picture's id; grey where no picture reaches.
    """
    if len(samples) != 4:
        raise ValueError(f"a mosaic takes 4 samples, got {len(samples)}")
    height, width = input_hw
    centre = tuple(round(rng.uniform(*_CENTRE_RANGE) * side) for side in (width, height))
    canvas = np.full((height, width, 3), PAD_GREY, dtype=np.uint8)
    boxes, labels = [], []
    for sample, corner in zip(samples, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        placed = _place(sample, canvas, centre, corner, rng.uniform(*_SCALE_RANGE))
        inside = keep_visible(*placed, min_visibility=min_visibility)
        boxes.append(inside[0])
        labels.append(inside[1])
    return Sample(canvas, np.concatenate(boxes), np.concatenate(labels), samples[0].image_id)


def keep_visible(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    window_xyxy: tuple[int, int, int, int],
    *,
    min_visibility: float,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Clip boxes [N, 4] to a window; drop those that lose too much or end under a pixel a side."""
    limit = np.array(window_xyxy, dtype=np.float32)
    clipped = np.clip(boxes, limit[[0, 1, 0, 1]], limit[[2, 3, 2, 3]])
    before = boxes[:, 2:] - boxes[:, :2]
    after = clipped[:, 2:] - clipped[:, :2]
    kept = (after >= MIN_SIDE).all(axis=1) & (
        after.prod(axis=1) >= min_visibility * before.prod(axis=1)
    )
    return clipped[kept], labels[kept]


def _place(
    sample: Sample,
    canvas: NDArray[np.uint8],
    centre_xy: tuple[int, ...],
    corner_xy: tuple[int, int],
    scale: float,
) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[int, int, int, int]]:
    """Draw one scaled picture into its quarter; its boxes there, unclipped, and the window."""
    sizes = [max(1, round(side * scale)) for side in (sample.image.shape[1], sample.image.shape[0])]
    picture = np.asarray(cv2.resize(sample.image, sizes, interpolation=cv2.INTER_LINEAR))
    left, top = (
        at if after else at - side
        for at, after, side in zip(centre_xy, corner_xy, sizes, strict=True)
    )
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + sizes[0], canvas.shape[1]), min(top + sizes[1], canvas.shape[0])
    canvas[y1:y2, x1:x2] = picture[y1 - top : y2 - top, x1 - left : x2 - left]
    stretch = [size / side for size, side in zip(sizes, sample.image.shape[1::-1], strict=True)]
    boxes = (sample.boxes * np.array(stretch * 2) + np.array([left, top] * 2)).astype(np.float32)
    return boxes, sample.labels, (x1, y1, x2, y2)
