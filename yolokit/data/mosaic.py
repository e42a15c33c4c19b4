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
) -> tuple[Sample, NDArray[np.float32]]:
    """Lay four pictures around a random centre, each at a random scale, cut at the input's edge.

    Args:
        samples: four, at input resolution, unpadded; clockwise from the top left.
        input_hw: (height, width) of the result, pixels.
        rng: where the centre and the scales come from.
        min_visibility: the fraction of a box that must remain for it to be kept.

    Returns:
        A sample of ``input_hw`` with the first picture's id, grey where no picture reaches; and
        [N] which fraction of each of its boxes is left.
    """
    if len(samples) != 4:
        raise ValueError(f"a mosaic takes 4 samples, got {len(samples)}")
    height, width = input_hw
    centre = tuple(round(rng.uniform(*_CENTRE_RANGE) * side) for side in (width, height))
    canvas = np.full((height, width, 3), PAD_GREY, dtype=np.uint8)
    parts = []
    for sample, corner in zip(samples, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        placed = _place(sample, canvas, centre, corner, rng.uniform(*_SCALE_RANGE))
        parts.append(keep_visible(*placed, min_visibility=min_visibility))
    boxes, labels, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Sample(canvas, boxes, labels, samples[0].image_id), shares


def keep_visible(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    window_xyxy: tuple[int, int, int, int],
    *,
    min_visibility: float,
    shares: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Clip boxes to a window; drop those that lose too much or end under a pixel a side.

    Args:
        boxes: [N, 4] xyxy pixels; may have no area.
        labels: [N].
        window_xyxy: what can be seen, pixels.
        min_visibility: the fraction of a whole box that must remain, all earlier cuts included.
        shares: [N] which fraction of each whole box ``boxes`` is; None where none was cut before.

    Returns:
        Boxes, labels, and which fraction of each whole box is left.
    """
    limit = np.array(window_xyxy, dtype=np.float32)
    clipped = np.clip(boxes, limit[[0, 1, 0, 1]], limit[[2, 3, 2, 3]])
    before = np.asarray(boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    after = clipped[:, 2:] - clipped[:, :2]
    left = after.prod(axis=1) / np.maximum(before, np.finfo(np.float32).tiny)
    left = left.astype(np.float32) if shares is None else left.astype(np.float32) * shares
    kept = (after >= MIN_SIDE).all(axis=1) & (left >= min_visibility)
    return clipped[kept], labels[kept], left[kept]


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
