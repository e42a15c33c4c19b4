"""Inputs cut to the shape of a set's pictures."""

import numpy as np
import pytest

from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.engine.input_shape import fit_input


def config(**data: object) -> Config:
    return validate_config({"model": {"head": "yolo"}, "data": data}, "test")


def cut(settings: Config, *sizes_hw: tuple[int, int]) -> int | tuple[int, int]:
    return fit_input(settings, np.array(sizes_hw)).data.image_size


@pytest.mark.parametrize(
    ("sizes_hw", "expected"),
    [
        ([(480, 640)] * 20, (256, 320)),  # 240 rows are needed
        ([(700, 2000)] * 20, (128, 320)),
        ([(640, 480)] * 20, (320, 256)),
        ([(480, 640)] * 10 + [(640, 480)] * 10, 320),  # both shapes count
        ([(480, 640)] * 99 + [(640, 480)], (256, 320)),  # one in a hundred does not
        ([(100, 100)] * 3, 320),
        ([(10, 4000)] * 3, (32, 320)),
        ([(160, 320)] * 3, (160, 320)),  # exactly
    ],
)
def test_nothing_is_larger_than_the_pictures_need(
    sizes_hw: list[tuple[int, int]], expected: int | tuple[int, int]
) -> None:
    assert cut(config(image_size=320), *sizes_hw) == expected


def test_sides_are_multiples_of_the_coarsest_stride() -> None:
    settings = validate_config(
        {"model": {"head": {"type": "yolo", "strides": [32, 64]}}, "data": {"image_size": 320}},
        "test",
    )
    assert cut(settings, (700, 2000)) == (128, 320)
    assert cut(settings, (480, 640)) == (256, 320)
    assert cut(settings, (500, 1000)) == (192, 320)  # 160 would do for stride 32


def test_what_is_given_is_kept_and_a_second_time_changes_nothing() -> None:
    assert cut(config(image_size=(96, 160)), (480, 640)) == (96, 160)
    assert cut(config(image_size=320, rectangular=False), (480, 640)) == 320
    once = fit_input(config(image_size=320), np.array([(480, 640)]))
    assert once.data.rectangular is True
    assert fit_input(once, np.array([(640, 480)])) == once


@pytest.mark.parametrize(
    "settings", [{"model": {"head": "yolov1"}}, {"train": {"recipe": "fixed"}}]
)
def test_yolov1_and_the_fixed_recipe_keep_the_square(settings: dict[str, object]) -> None:
    loaded = validate_config({"model": {"head": "yolo"}, **settings}, "test")
    fitted = fit_input(loaded, np.array([(480, 640)]))
    assert (fitted.data.image_size, fitted.data.rectangular) == (448, False)


def test_a_given_true_counts_for_every_recipe() -> None:
    loaded = validate_config({"train": {"recipe": "fixed"}, "data": {"rectangular": True}}, "test")
    assert cut(loaded, (480, 640)) == (352, 448)
