"""Pictures shared out to splits: proportions, rare classes, groups that stay whole, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from yolokit.data.stratify import share_out
from yolokit.errors import DataError

SHARES = (0.7, 0.2, 0.1)


def _singles(
    labels: np.ndarray, *, seed: int = 0, shares: tuple[float, ...] = SHARES
) -> np.ndarray:
    """Pictures one by one, each with one box of every class that its row names."""
    return share_out(np.ones(len(labels), dtype=np.int64), labels, labels, shares, seed=seed)


def _counts(split_of: np.ndarray, column: np.ndarray, splits: int = 3) -> list[int]:
    return [int(column[split_of == split].sum()) for split in range(splits)]


def test_every_class_is_shared_out_in_proportion() -> None:
    """100 pictures, three classes of 100, 50 and 10: 70/20/10, 35/10/5 and 7/2/1."""
    labels = np.zeros((100, 3), dtype=np.int64)
    labels[:, 0] = 1
    labels[::2, 1] = 1
    labels[::10, 2] = 1
    split_of = _singles(labels)
    assert _counts(split_of, np.ones(100)) == [70, 20, 10]
    assert _counts(split_of, labels[:, 1]) == [35, 10, 5]
    assert _counts(split_of, labels[:, 2]) == [7, 2, 1]


def test_many_overlapping_classes_come_within_a_picture_or_two_of_their_share() -> None:
    """Chance alone is off by several: its deviation for a fifth of 40 pictures is 2.5."""
    labels = (np.random.default_rng(5).random((400, 8)) < 0.1).astype(np.int64)
    split_of = _singles(labels)
    for label in range(8):
        total = labels[:, label].sum()
        for have, share in zip(_counts(split_of, labels[:, label]), SHARES, strict=True):
            assert abs(have - share * total) <= 2
    assert _counts(split_of, np.ones(400)) == pytest.approx([280, 80, 40], abs=4)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (10, [7, 2, 1])]
)
def test_a_rare_class_stands_in_as_many_splits_as_it_has_pictures(
    count: int, expected: list[int]
) -> None:
    labels = np.zeros((200, 2), dtype=np.int64)
    labels[:, 0] = 1
    labels[-count:, 1] = 1
    for seed in range(5):
        split_of = _singles(labels, seed=seed)
        assert _counts(split_of, labels[:, 1]) == expected
        assert _counts(split_of, np.ones(200)) == pytest.approx([140, 40, 20], abs=1)


def test_boxes_come_close_to_their_share_too() -> None:
    """One class in every picture, 1 to 40 boxes in each: 20 % of the boxes, within 3 %."""
    boxes = np.random.default_rng(2).geometric(0.1, (100, 1))
    ones = np.ones(100, dtype=np.int64)
    split_of = share_out(ones, np.minimum(boxes, 1), boxes, SHARES, seed=0)
    assert _counts(split_of, ones) == [70, 20, 10]
    share = boxes[split_of == 1].sum() / boxes.sum()
    assert share == pytest.approx(0.2, abs=0.03)


def test_groups_stay_whole_and_a_large_one_goes_to_training() -> None:
    """60 of 100 pictures hang together: no held-out part of 20 or 10 can take them."""
    sizes = np.array([60, *[1] * 40])
    one_class = sizes[:, None]
    split_of = share_out(sizes, one_class, one_class, SHARES, seed=0)
    assert split_of[0] == 0
    assert _counts(split_of, sizes) == [70, 20, 10]


def test_pictures_without_a_class_fill_up_what_is_missing() -> None:
    labels = np.zeros((100, 1), dtype=np.int64)
    labels[:30] = 1
    split_of = _singles(labels)
    assert _counts(split_of, labels[:, 0]) == [21, 6, 3]
    assert _counts(split_of, np.ones(100)) == [70, 20, 10]
    assert _counts(_singles(np.zeros((10, 0), dtype=np.int64)), np.ones(10)) == [7, 2, 1]


def test_no_split_stays_empty_though_its_share_is_less_than_any_group() -> None:
    sizes = np.array([50, 40, 30])
    split_of = share_out(sizes, sizes[:, None], sizes[:, None], SHARES, seed=0)
    assert sorted(split_of.tolist()) == [0, 1, 2] and split_of[0] == 0
    with pytest.raises(DataError, match="2 groups of pictures cannot fill 3 splits"):
        share_out(sizes[:2], sizes[:2, None], sizes[:2, None], SHARES, seed=0)


def test_a_seed_says_it_all() -> None:
    labels = (np.random.default_rng(0).random((60, 3)) < 0.4).astype(np.int64)
    first, again, other = (_singles(labels, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_two_splits_only() -> None:
    labels = np.ones((10, 1), dtype=np.int64)
    assert _counts(_singles(labels, shares=(0.8, 0.2)), np.ones(10), 2) == [8, 2]
