"""Augmented boxes stay on their objects, and the seed alone decides."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from yolokit.data.augment import Augmenter
from yolokit.data.mosaic import mosaic
from yolokit.sections import ResolvedAugment
from yolokit.types import Sample

INPUT_HW = (96, 128)
OFF: dict[str, Any] = {
    **{"mosaic": 0, "crop": 0, "hflip": 0, "vflip": 0, "scale": 0, "translate": 0, "rotate": 0},
    **{"hue": 0, "saturation": 0, "value": 0, "blur": 0, "noise": 0},
}


def painted(image_id: int = 1) -> Sample:
    """Two bright rectangles on black; each box is exactly its rectangle."""
    image = np.zeros((96, 110, 3), dtype=np.uint8)
    image[20:45, 15:50] = (255, 0, 0)
    image[60:84, 70:100] = (0, 255, 0)
    boxes = np.array([[15, 20, 50, 45], [70, 60, 100, 84]], dtype=np.float32)
    return Sample(image, boxes, np.array([0, 1]), image_id)


def empty() -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (96, 110, 3), dtype=np.uint8)
    return Sample(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 2)


def run(config: dict[str, Any], seed: int, sample: Sample | None = None, **more: Any) -> Sample:
    augmenter = Augmenter(ResolvedAugment(**{**OFF, **config}), INPUT_HW)
    return augmenter(sample or painted(), seed, lambda number: painted(number), **more)


def lit_box(image: np.ndarray, channel: int) -> list[int]:
    others = [each for each in range(3) if each != channel]
    bright = (image[:, :, channel] > 127) & (image[:, :, others] < 60).all(axis=2)
    rows, columns = np.nonzero(bright)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_nothing_switched_on_is_the_plain_letterbox() -> None:
    result = run({}, 3)
    expected = np.full((*INPUT_HW, 3), 114, dtype=np.uint8)
    expected[:, 9:119] = painted().image  # (128 - 110) / 2 = 9 columns of grey
    np.testing.assert_array_equal(result.image, expected)
    np.testing.assert_array_equal(result.boxes, painted().boxes + np.array([9, 0, 9, 0]))
    assert result.labels.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "config",
    [
        {"hflip": 1},
        {"vflip": 1},
        {"hflip": 0.5, "vflip": 0.5},
        {"scale": 0.5},
        {"translate": 0.3},
        {"scale": 0.4, "translate": 0.2, "hflip": 0.5},
        {"crop": 1},
        {"crop": 1, "scale": 0.2, "vflip": 0.5},
        {"hflip": 1, "blur": 1, "noise": 1, "value": 0.2, "saturation": 0.2},
    ],
    ids=str,
)
def test_boxes_stay_on_the_painted_pixels(config: dict[str, Any], seed: int) -> None:
    result = run({**config, "min_visibility": 0.0}, seed)
    for box, label in zip(result.boxes, result.labels, strict=True):
        np.testing.assert_allclose(box, lit_box(result.image, label), atol=1.5)


@pytest.mark.parametrize("seed", range(8))
def test_turned_boxes_cover_an_ellipse_and_little_more(seed: int) -> None:
    sample = painted()
    rows, columns = np.indices(sample.image.shape[:2]) + 0.5
    sample.image[:] = 0
    for label, (x1, y1, x2, y2) in enumerate(sample.boxes):
        inside = ((columns - (x1 + x2) / 2) / (x2 - x1) * 2) ** 2
        inside += ((rows - (y1 + y2) / 2) / (y2 - y1) * 2) ** 2
        sample.image[inside <= 1, label] = 255
    result = run({"rotate": 45, "min_visibility": 0.9}, seed, sample)
    assert len(result.boxes)
    for box, label in zip(result.boxes, result.labels, strict=True):
        np.testing.assert_allclose(box, lit_box(result.image, label), atol=2)


@pytest.mark.parametrize("seed", range(8))
def test_the_crop_keeps_every_box_whole(seed: int) -> None:
    result = run({"crop": 1}, seed)
    sides = result.boxes[:, 2:] - result.boxes[:, :2]
    assert result.labels.tolist() == [0, 1]
    original = painted().boxes[:, 2:] - painted().boxes[:, :2]
    scale = sides / original
    assert (scale >= 0.99).all()  # enlarged, never cut
    np.testing.assert_allclose(scale, scale[0, 0], rtol=0.1)  # one scale: shapes are kept


HARSH = {
    **{"mosaic": 0.5, "hflip": 0.5, "vflip": 0.5, "scale": 0.9, "translate": 0.9, "rotate": 180},
    **{"crop": 0.5, "hue": 0.5, "saturation": 1, "value": 1, "blur": 0.5, "noise": 0.5},
}


def test_the_harshest_setting_leaves_only_usable_boxes() -> None:
    augmenter = Augmenter(ResolvedAugment(**HARSH, min_visibility=0.0), INPUT_HW)
    boxless = 0
    for seed in range(150):
        result = augmenter(painted() if seed % 3 else empty(), seed, lambda number: painted())
        assert result.image.shape == (*INPUT_HW, 3)
        assert result.image.dtype == np.uint8
        assert result.boxes.dtype == np.float32
        assert result.labels.dtype == np.int64
        assert result.boxes.shape == (len(result.labels), 4)
        assert (result.boxes[:, :2] >= 0).all()
        assert (result.boxes[:, 2:] <= [128, 96]).all()
        assert (result.boxes[:, 2:] - result.boxes[:, :2] >= 0.999).all()
        boxless += not len(result.boxes)
    assert 0 < boxless < 150


def test_min_visibility_drops_boxes_that_lost_too_much() -> None:
    strict = {"translate": 0.5, "min_visibility": 0.95}
    for seed in range(30):
        result = run(strict, seed)
        for box, label in zip(result.boxes, result.labels, strict=True):
            original = painted().boxes[label]
            area = np.prod(original[2:] - original[:2])
            assert np.prod(box[2:] - box[:2]) >= 0.9 * area
    counts = {len(run(strict, seed).boxes) for seed in range(30)}
    assert counts == {0, 1, 2}


def quarter(label: int) -> Sample:
    """A picture that is one box; four of them make a mosaic whose boxes are told apart."""
    image = np.full((96, 110, 3), 60 * label, dtype=np.uint8)
    return Sample(image, np.array([[0, 0, 110, 96]], np.float32), np.array([label]), label)


@pytest.mark.parametrize("min_visibility", [0.2, 0.3, 0.6])
def test_visibility_is_of_the_whole_box_over_mosaic_and_affine(min_visibility: float) -> None:
    """The share is worked out anew: the mosaic's cut, times what the shift leaves of its rest."""

    def results(visible: float, seed: int) -> tuple[Sample, list[Sample]]:
        config = ResolvedAugment(**{**OFF, "mosaic": 1, "translate": 0.4}, min_visibility=visible)
        drawn = [quarter(label) for label in (1, 2, 3)]
        others = iter(drawn)
        return Augmenter(config, INPUT_HW)(quarter(0), seed, lambda _: next(others)), drawn

    both_matter = 0
    for seed in range(60):
        everything, drawn = results(0.0, seed)
        rng = random.Random(seed)
        assert rng.random() <= 1  # whether there is a mosaic, as the augmenter draws
        assert all(rng.getrandbits(32) >= 0 for _ in range(3))  # of which others
        cut, shares = mosaic([quarter(0), *drawn], INPUT_HW, rng, min_visibility=0.0)
        whole = {
            label: np.prod(box[2:] - box[:2]) / share
            for label, box, share in zip(cut.labels.tolist(), cut.boxes, shares, strict=True)
        }
        left = {
            label: np.prod(box[2:] - box[:2]) / whole[label]
            for label, box in zip(everything.labels.tolist(), everything.boxes, strict=True)
        }
        kept = set(results(min_visibility, seed)[0].labels.tolist())
        assert kept == {label for label, share in left.items() if share >= min_visibility}
        both_matter += any(
            share < min_visibility < shares[label] and min_visibility < share / shares[label]
            for label, share in left.items()
        )
    assert both_matter  # a box that neither cut alone would have dropped


THIN = np.array(
    [[20, 10, 20, 40], [30, 10, 30.0000001, 40], [50, 20, 50.4, 60], [109.99999, 5, 110, 9],
     [110, 0, 110, 20], [60, 30, 90, 80]], np.float32
)  # fmt: skip


@pytest.mark.parametrize("config", [{}, {"crop": 1}, {"mosaic": 1}, {"crop": 1, "rotate": 30}])
def test_hair_thin_boxes_are_dropped_and_stop_nothing(config: dict[str, Any]) -> None:
    sample = Sample(painted().image, THIN, np.arange(6), 3)
    for seed in range(20):
        result = run({**config, "translate": 0.1, "hflip": 0.5, "vflip": 0.5}, seed, sample)
        sides = result.boxes[:, 2:] - result.boxes[:, :2]
        assert (sides >= 1).all()
        assert set(result.labels.tolist()) <= {0, 1, 2, 5}  # those of `painted` and the sound one
        assert 5 in result.labels or "mosaic" in config


def test_the_seed_alone_decides() -> None:
    augmenter = Augmenter(ResolvedAugment(**HARSH), INPUT_HW)
    first = [augmenter(painted(), seed, painted) for seed in range(20)]
    np.random.seed(1)
    shuffled = {seed: augmenter(painted(), seed, painted) for seed in reversed(range(20))}
    copy = pickle.loads(pickle.dumps(augmenter))  # what a spawned worker gets
    for seed in range(20):
        for other in (shuffled[seed], copy(painted(), seed, painted)):
            np.testing.assert_array_equal(first[seed].image, other.image)
            np.testing.assert_array_equal(first[seed].boxes, other.boxes)
    assert len({result.image.tobytes() for result in first}) == 20


def test_two_flips_are_drawn_apart() -> None:
    """One seed for each transform, as albumentations does it, would flip both ways or none."""
    corner = np.zeros((96, 128, 3), dtype=np.uint8)
    corner[0, 0] = 255
    sample = Sample(corner, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 1)
    found = []
    for seed in range(60):
        flipped = run({"hflip": 0.5, "vflip": 0.5}, seed, sample).image
        found.append(tuple(np.argwhere(flipped)[0][:2].tolist()))
    for at in [(0, 0), (0, 127), (95, 0), (95, 127)]:
        assert found.count(at) > 5  # 15 expected


def test_mosaic_draws_three_others_and_obeys_the_switch() -> None:
    drawn: list[int] = []

    def draw(number: int) -> Sample:
        drawn.append(number)
        return painted(number)

    augmenter = Augmenter(ResolvedAugment(**{**OFF, "mosaic": 1.0}), INPUT_HW)
    with_mosaic = augmenter(painted(), 0, draw)
    assert len(set(drawn)) == 3
    assert min(drawn) >= 0
    assert len(with_mosaic.boxes) > 2
    drawn.clear()
    augmenter(painted(), 0, draw, mosaic=False)
    assert drawn == []


def test_colour_changes_touch_no_box_and_stay_off_at_zero() -> None:
    changed = run({"hue": 0.1, "saturation": 0.5, "value": 0.5}, 1)
    plain = run({}, 1)
    assert not np.array_equal(changed.image, plain.image)
    np.testing.assert_array_equal(changed.boxes, plain.boxes)


def test_grey_pictures_stay_grey_under_colour_changes() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (96, 128, 1), dtype=np.uint8)
    sample = Sample(grey.repeat(3, axis=2), empty().boxes, empty().labels, 1)
    result = run({"hue": 0.5, "saturation": 1.0, "value": 0.3}, 2, sample)
    assert np.ptp(result.image.astype(int), axis=2).max() == 0


def test_the_given_sample_is_not_changed() -> None:
    sample, before = painted(), painted()
    for seed in range(10):
        run(HARSH, seed, sample)
    np.testing.assert_array_equal(sample.image, before.image)
    np.testing.assert_array_equal(sample.boxes, before.boxes)


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "0"])
def test_importing_asks_no_network_and_leaves_the_environment_alone(before: str | None) -> None:
    """Any attempt to connect during the import ends the child process with 3."""
    code = (
        "import os, socket\n"
        "def refuse(*args, **kwargs): os._exit(3)\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import yolokit.data.augment\n"
        "print(os.environ.get('NO_ALBUMENTATIONS_UPDATE'))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    if before is not None:
        environment["NO_ALBUMENTATIONS_UPDATE"] = before
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(before)
