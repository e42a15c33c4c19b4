"""Pictures decoded ahead of the network: in order, the right pixels, never too many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.pictures import PreparedPictures
from yolokit.sections import SplitConfig

HW = (64, 96)


@pytest.mark.parametrize("cache", ["none", "ram"])
def test_pixels_are_those_of_training_without_augmentation(
    painted_split: Callable[..., SplitConfig], cache: str
) -> None:
    data = CocoDataset.load(painted_split())
    pictures = PreparedPictures(data, HW, cache=cache)  # type: ignore[arg-type]
    dataset = DetectionDataset(data, HW)
    assert len(pictures) == len(data)
    for index in range(len(data)):
        image, letterbox, image_id = pictures[index]
        expected = dataset[index]
        np.testing.assert_array_equal(image, expected.image.permute(1, 2, 0).numpy())
        assert (letterbox, image_id) == (expected.letterbox, expected.image_id)
    with pytest.raises(IndexError, match="index 6 is outside a data set of 6 pictures"):
        pictures[6]
