"""A picture and its boxes at the network's input."""

from __future__ import annotations

import numpy as np
import pytest

from yolokit.data.prepare import prepare_image, prepare_sample
from yolokit.ops.letterbox import boxes_to_original
from yolokit.types import Sample


def test_a_wide_picture_is_scaled_and_padded_above_and_below() -> None:
    image = np.full((20, 40, 3), 200, dtype=np.uint8)
    prepared, letterbox = prepare_image(image, (40, 40))
    # scale min(40/20, 40/40) = 1: the picture keeps 20 rows, (40 - 20) / 2 = 10 grey above
    assert letterbox.pad_xy == (0, 10)
    assert letterbox.scale_xy == (1.0, 1.0)
    assert (prepared[10:30] == 200).all()
    assert (prepared[:10] == 114).all()
    assert (prepared[30:] == 114).all()


def test_shrinking_averages_and_enlarging_interpolates() -> None:
    checker = np.indices((8, 8)).sum(axis=0) % 2 * 200
    image = checker[:, :, None].repeat(3, axis=2).astype(np.uint8)
    small, _ = prepare_image(image, (4, 4))
    assert (small == 100).all()  # each 2x2 block holds 0, 200, 200, 0
    ramp = np.array([[[0] * 3, [100] * 3]], dtype=np.uint8)
    large, _ = prepare_image(ramp, (2, 4))
    # bilinear at half-pixel centres: x = -.25, .25, .75, 1.25 of the source
    np.testing.assert_array_equal(large[0, :, 0], [0, 25, 75, 100])


def test_the_picture_given_is_neither_changed_nor_shared() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    before = image.copy()
    prepared, _ = prepare_image(image, (32, 32))
    np.testing.assert_array_equal(prepared, image)
    prepared[:] = 0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (333, 7), (77, 101), (448, 448), (900, 31)])
@pytest.mark.parametrize("input_hw", [(64, 64), (96, 160)])
def test_boxes_follow_the_pixels_at_odd_sizes(
    size_hw: tuple[int, int], input_hw: tuple[int, int]
) -> None:
    image = np.full((*size_hw, 3), 255, dtype=np.uint8)
    boxes = np.array([[0, 0, size_hw[1], size_hw[0]]], dtype=np.float32)
    sample = Sample(image, boxes, np.array([3]), image_id=9)
    prepared, letterbox = prepare_sample(sample, input_hw)
    assert prepared.image.shape == (*input_hw, 3)
    rows, columns = np.nonzero((prepared.image == 255).all(axis=2))
    lit = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(prepared.boxes[0], lit, atol=1e-3)
    np.testing.assert_allclose(boxes_to_original(prepared.boxes, letterbox), boxes, atol=1e-3)
    assert (prepared.labels.tolist(), prepared.image_id) == ([3], 9)


def test_no_boxes_stay_no_boxes() -> None:
    empty = np.zeros((0, 4), dtype=np.float32)
    sample = Sample(np.zeros((5, 5, 3), np.uint8), empty, np.zeros(0, np.int64), 1)
    prepared, _ = prepare_sample(sample, (32, 32))
    assert prepared.boxes.shape == (0, 4)
    assert prepared.boxes.dtype == np.float32
