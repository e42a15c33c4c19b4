"""The size of a step's pictures, and truths that follow it."""

import pytest
import torch

from yolokit.engine.resolution import Resolution, resize_batch
from yolokit.types import Batch, Truth


def batch(height: int, width: int) -> Batch:
    """A grey picture with a white rectangle, which is the truth."""
    images = torch.full((1, 3, height, width), 100, dtype=torch.uint8)
    images[:, :, height // 4 : height // 2, width // 4 : width // 2] = 255
    box = torch.tensor([[width // 4, height // 4, width // 2, height // 2]]).float()
    return Batch(images, [Truth(box, torch.tensor([0]))], [], [1])


def test_grows_in_a_line_and_stays() -> None:
    rule = Resolution(start=0.5, growth=0.6)
    # Half-way through the growth, half-way from 0.5 to 1.
    shares = [0.0, 0.3, 0.6, 1.0]
    assert [rule.factor(share, 0) for share in shares] == pytest.approx([0.5, 0.75, 1.0, 1.0])


def test_jitter_follows_the_seed_and_keeps_its_range() -> None:
    rule = Resolution(jitter=0.2)
    factors = [rule.factor(1.0, seed) for seed in range(200)]
    assert factors == [rule.factor(1.0, seed) for seed in range(200)]
    assert 0.8 <= min(factors) < 0.85
    assert 1.15 < max(factors) <= 1.2


def test_boxes_stay_on_what_they_mark() -> None:
    small = resize_batch(batch(128, 256), 0.5)
    assert small.images.shape == (1, 3, 64, 128)
    assert small.truths[0].boxes.tolist() == [[32.0, 16.0, 64.0, 32.0]]
    x1, y1, x2, y2 = small.truths[0].boxes[0].int().tolist()
    assert small.images[0, :, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 250
    outside = small.images[0, 0].clone()
    outside[y1 - 2 : y2 + 2, x1 - 2 : x2 + 2] = 100
    assert outside.max() < 101


@pytest.mark.parametrize(("factor", "size"), [(0.01, (32, 32)), (0.6, (64, 96)), (1.3, (128, 192))])
def test_sides_are_multiples_of_32(factor: float, size: tuple[int, int]) -> None:
    assert tuple(resize_batch(batch(96, 160), factor).images.shape[2:]) == size


def test_an_unchanged_size_is_the_batch_itself() -> None:
    whole = batch(96, 160)
    assert resize_batch(whole, 1.0) is whole
    assert resize_batch(whole, 1.01) is whole
