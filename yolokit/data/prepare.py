"""Fit a picture and its boxes to the network's input.

Training, evaluation, prediction and video all pass through here, so a picture reaches the
network with the same pixels whichever way it came.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from yolokit.ops.letterbox import boxes_to_input, fit_letterbox, resized_hw
from yolokit.types import Letterbox, Sample

PAD_GREY = 114  # 8-bit level around a letterboxed picture, as in Darknet's successors


def prepare_image(
    image: NDArray[np.uint8], input_hw: tuple[int, int] | None
) -> tuple[NDArray[np.uint8], Letterbox]:
    """Scale a picture to fit the network's input, aspect kept, and pad it with grey.

    Args:
        image: [H, W, 3] uint8 RGB, original frame; not changed.
        input_hw: the network input's (height, width), pixels; None: the picture's own.

    Returns:
        A new [H, W, 3] uint8 RGB array of exactly ``input_hw``, and where the picture lies in it.
    """
    letterbox = fit_letterbox((image.shape[0], image.shape[1]), input_hw)
    return pad_image(resize_image(image, letterbox), letterbox), letterbox


def prepare_sample(sample: Sample, input_hw: tuple[int, int]) -> tuple[Sample, Letterbox]:
    """`prepare_image` for a picture with its truth; boxes move to the input frame."""
    image, letterbox = prepare_image(sample.image, input_hw)
    boxes = boxes_to_input(sample.boxes, letterbox)
    return Sample(image, boxes, sample.labels, sample.image_id), letterbox


def together(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
    """Prepared pictures for one call of a network: an array [B, H, W, 3] where they have one size,
    else a list."""
    if len({image.shape for image in images}) == 1:
        return np.stack(images)
    return list(images)


def resize_image(image: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
    """The picture at the size it has inside the input: averaged when shrunk, else bilinear."""
    height, width = resized_hw(letterbox)
    if (height, width) == image.shape[:2]:
        return image
    shrinks = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def pad_image(resized: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
    """Lay a picture that already has its input size on a grey input; always a new array."""
    padded = np.full((*letterbox.input_hw, 3), PAD_GREY, dtype=np.uint8)
    left, top = letterbox.pad_xy
    padded[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return padded
