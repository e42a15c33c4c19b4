"""Four pictures on one input, boxes on their objects."""

from __future__ import annotations

import random

import numpy as np
import pytest

from yolokit.data.mosaic import keep_visible, mosaic
from yolokit.types import Sample

LEVELS = (50, 150, 200, 250)  # the pictures' grey levels; 114 is the padding


def pictures() -> list[Sample]:
    samples = []
    for number, level in enumerate(LEVELS):
        height, width = 80 + 5 * number, 120 - 10 * number
        image = np.full((height, width, 3), level, dtype=np.uint8)
        boxes = np.array([[0, 0, width, height]], dtype=np.float32)
        samples.append(Sample(image, boxes, np.array([number]), image_id=number + 40))
    return samples


@pytest.mark.parametrize("seed", range(20))
def test_each_box_is_exactly_where_its_picture_lies(seed: int) -> None:
    result, shares = mosaic(pictures(), (96, 128), random.Random(seed), min_visibility=0.0)
    assert result.image.shape == (96, 128, 3)
    assert result.image_id == 40
    assert result.labels.tolist() == [0, 1, 2, 3]
    for box, label in zip(result.boxes, result.labels, strict=True):
        rows, columns = np.nonzero(result.image[:, :, 0] == LEVELS[label])
        lit = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, lit, atol=1e-4)
    assert set(np.unique(result.image)) <= {*LEVELS, 114}
    assert ((shares > 0) & (shares <= 1)).all()


def test_the_pictures_meet_clockwise_around_a_random_centre() -> None:
    centres = set()
    for seed in range(20):
        boxes = mosaic(pictures(), (96, 128), random.Random(seed), min_visibility=0.0)[0].boxes
        x, y = boxes[0, 2], boxes[0, 3]
        assert (boxes[1, 0], boxes[1, 3]) == (x, y)
        assert (boxes[2, 0], boxes[2, 1]) == (x, y)
        assert (boxes[3, 2], boxes[3, 1]) == (x, y)
        assert 0.29 * 128 < x < 0.71 * 128
        assert 0.29 * 96 < y < 0.71 * 96
        centres.add((float(x), float(y)))
    assert len(centres) > 15


def test_a_box_cut_too_much_is_dropped() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [8, 0, 18, 10], [9.5, 0, 11, 4]], np.float32)
    labels = np.arange(4)
    kept, names, shares = keep_visible(boxes, labels, (0, 0, 10, 10), min_visibility=0.3)
    # what remains: 10/10, 5/10, 2/10 < 0.3, and half a pixel of the last
    assert kept.tolist() == [[0, 0, 10, 10], [5, 0, 10, 10]]
    assert names.tolist() == [0, 1]
    assert shares.tolist() == [1.0, 0.5]
    assert len(keep_visible(boxes, labels, (0, 0, 10, 10), min_visibility=0.2)[0]) == 3
    assert keep_visible(boxes[:0], labels[:0], (0, 0, 5, 5), min_visibility=1)[0].shape == (0, 4)


def test_what_earlier_cuts_took_counts() -> None:
    """Half of what is left of a box of which half was left: a quarter."""
    box, label, half = np.array([[5, 0, 15, 10]], np.float32), np.arange(1), np.float32([0.5])
    window = (0, 0, 10, 10)
    *_, shares = keep_visible(box, label, window, min_visibility=0.2, shares=half)
    assert shares.tolist() == [0.25]
    assert len(keep_visible(box, label, window, min_visibility=0.3, shares=half)[0]) == 0
    assert len(keep_visible(box, label, window, min_visibility=0.3)[0]) == 1


def test_it_takes_four() -> None:
    with pytest.raises(ValueError, match="4 samples, got 3"):
        mosaic(pictures()[:3], (96, 128), random.Random(0), min_visibility=0.0)
