"""Letterbox geometry: by hand, at the edges, and there and back."""

from __future__ import annotations

import numpy as np
import pytest

from yolokit.ops.letterbox import boxes_to_input, boxes_to_original, fit_letterbox, resized_hw

ODD_SIZES = [(333, 217), (50, 800), (800, 50), (1, 1), (1, 3000), (448, 448), (449, 447)]


def test_a_wide_picture_by_hand() -> None:
    # 100 x 200 into 448 x 448: scale 2.24, so 224 x 448, with (448 - 224) / 2 = 112 rows above.
    letterbox = fit_letterbox((100, 200), (448, 448))
    assert letterbox.scale_xy == (2.24, 2.24)
    assert letterbox.pad_xy == (0, 112)
    assert resized_hw(letterbox) == (224, 448)


def test_rounding_to_whole_pixels_makes_two_scales_by_hand() -> None:
    # 3 x 7 into 10 x 10: scale 10/7, so 30/7 = 4.29 -> 4 rows; x scale 10/7, y scale 4/3;
    # (10 - 4) / 2 = 3 rows above.
    letterbox = fit_letterbox((3, 7), (10, 10))
    assert letterbox.scale_xy == (10 / 7, 4 / 3)
    assert letterbox.pad_xy == (0, 3)
    boxes = np.array([[0, 0, 7, 3], [1, 1, 2, 2]], dtype=np.float32)
    expected = [[0, 3, 10, 7], [10 / 7, 3 + 4 / 3, 20 / 7, 3 + 8 / 3]]
    np.testing.assert_allclose(boxes_to_input(boxes, letterbox), expected, rtol=1e-6)


def test_a_picture_of_the_inputs_size_stays() -> None:
    letterbox = fit_letterbox((320, 448), (320, 448))
    assert (letterbox.scale_xy, letterbox.pad_xy) == ((1.0, 1.0), (0, 0))


@pytest.mark.parametrize("original_hw", ODD_SIZES)
@pytest.mark.parametrize("input_hw", [(448, 448), (320, 448), (33, 97)])
def test_the_picture_fills_the_input_and_lies_inside(
    original_hw: tuple[int, int], input_hw: tuple[int, int]
) -> None:
    letterbox = fit_letterbox(original_hw, input_hw)
    height, width = resized_hw(letterbox)
    pad_x, pad_y = letterbox.pad_xy
    assert height == input_hw[0] or width == input_hw[1]
    assert 1 <= height <= input_hw[0] and 1 <= width <= input_hw[1]
    assert abs(input_hw[0] - height - 2 * pad_y) <= 1
    assert abs(input_hw[1] - width - 2 * pad_x) <= 1


@pytest.mark.parametrize("original_hw", ODD_SIZES)
def test_boxes_come_back(original_hw: tuple[int, int]) -> None:
    height, width = original_hw
    corners = np.random.default_rng(0).random((50, 2, 2)) * (width, height)
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)
    letterbox = fit_letterbox(original_hw, (448, 448))
    back = boxes_to_original(boxes_to_input(boxes, letterbox), letterbox)
    # float32 holds an input coordinate below 448 to 3e-5 px, worth 1/scale as much here.
    tolerance = 4e-5 / min(letterbox.scale_xy) + 1e-5
    np.testing.assert_allclose(back, boxes, rtol=1e-6, atol=tolerance)


def test_the_way_back_clips_to_the_picture() -> None:
    letterbox = fit_letterbox((100, 200), (448, 448))
    boxes = np.array([[-50, 0, 500, 448]], dtype=np.float32)
    assert boxes_to_original(boxes, letterbox).tolist() == [[0, 0, 200, 100]]


def test_no_boxes_stay_no_boxes_and_arguments_stay_as_they_are() -> None:
    letterbox = fit_letterbox((100, 200), (448, 448))
    empty = np.zeros((0, 4), dtype=np.float32)
    for move in (boxes_to_input, boxes_to_original):
        assert move(empty, letterbox).shape == (0, 4)
        boxes = np.array([[10, 20, 30, 140]], dtype=np.float32)
        assert move(boxes, letterbox).dtype == np.float32
        assert boxes.tolist() == [[10, 20, 30, 140]]


@pytest.mark.parametrize("sizes", [((0, 5), (9, 9)), ((5, 5), (9, 0)), ((-1, 5), (9, 9))])
def test_a_size_below_one_pixel_is_refused(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="at least 1 px"):
        fit_letterbox(*sizes)
