"""A sheet of pictures as the network is fed them, with their boxes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from yolokit.data.loading import DetectionDataset
from yolokit.drawing import draw_boxes, tile


def preview_sheet(dataset: DetectionDataset, *, count: int, epoch: int = 0) -> NDArray[np.uint8]:
    """Pictures spread evenly over a split, augmented as in an epoch of training, boxes drawn.

    Args:
        dataset: with an augmenter to see training samples, without to see evaluation's.
        count: how many pictures at most; at least 1.
        epoch: whose random choices are shown.

    Returns:
        [H, W, 3] uint8 RGB, about square.
    """
    count = min(count, len(dataset))
    pictures = []
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist():
        fed = dataset[epoch, index]
        image = fed.image.numpy().transpose(1, 2, 0)
        boxes, labels = fed.truth.boxes.numpy(), fed.truth.labels.numpy()
        pictures.append(draw_boxes(image, boxes, labels, dataset.data.class_names))
    return tile(pictures, columns=math.ceil(math.sqrt(count)))
