"""The moving average of weights: its rule by hand."""

from __future__ import annotations

import pytest
import torch

from yolokit.engine.ema import ema_average


@pytest.mark.parametrize(
    ("cap", "updates", "kept"), [(1.0, 1, 2 / 11), (1.0, 90, 91 / 100), (0.5, 90, 0.5)]
)
def test_the_average_keeps_a_share_that_grows_up_to_the_cap(
    cap: float, updates: int, kept: float
) -> None:
    averaged = [torch.tensor([1.0, 3.0]), torch.tensor([[5.0]])]
    current = [torch.tensor([2.0, 3.0]), torch.tensor([[1.0]])]
    ema_average(cap)(averaged, current, torch.tensor(updates))
    assert averaged[0].tolist() == pytest.approx([kept * 1 + (1 - kept) * 2, 3.0])
    assert averaged[1].tolist() == [[pytest.approx(kept * 5 + (1 - kept) * 1)]]


def test_counters_are_copied() -> None:
    averaged, current = [torch.tensor(3)], [torch.tensor(8)]
    ema_average(1.0)(averaged, current, torch.tensor(4))
    assert averaged[0].item() == 8
