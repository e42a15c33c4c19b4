"""Pictures decoded ahead of the network: in order, the right pixels, never too many."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.pictures import PreparedPictures, read_ahead
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


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("ahead", [0, 2, 100])
def test_results_come_in_order(threads: int, ahead: int) -> None:
    got = read_ahead(lambda index: index * index, range(30), threads=threads, ahead=ahead)
    assert list(got) == [index * index for index in range(30)]


def test_no_more_wait_than_may() -> None:
    """With 4 ahead, the result after the n-th needs no more than n + 1 + 4 to have been begun."""
    begun, lock = 0, threading.Lock()

    def load(index: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return index

    for taken, _ in enumerate(read_ahead(load, range(50), threads=3, ahead=4)):
        assert begun <= taken + 1 + 4


def test_an_error_comes_at_its_place_and_ends_the_threads() -> None:
    def load(index: int) -> int:
        if index == 3:
            raise ValueError("three")
        return index

    got = []
    with pytest.raises(ValueError, match="three"):
        for each in read_ahead(load, range(10), threads=2, ahead=2):
            got.append(each)
    assert got == [0, 1, 2]
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_who_stops_early_leaves_no_threads() -> None:
    results = read_ahead(lambda index: index, range(1000), threads=2, ahead=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]
