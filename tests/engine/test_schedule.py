"""Learning rates over a run, by batches and by the clock."""

import math

import pytest

from yolokit.engine.schedule import CLOSING_SECONDS, Clock, Progress, lr_factor


def test_climbs_then_falls_by_half_a_cosine() -> None:
    def factor(share: float) -> float:
        return lr_factor(share, warmup=0.1, final=0.01)

    assert factor(0.05) == pytest.approx(0.5)
    assert factor(0.1) == pytest.approx(1.0)
    # Half-way down, (1 + cos 90°)/2 = 1/2 of the way from 1 to 0.01.
    assert factor(0.55) == pytest.approx(0.01 + 0.99 / 2)
    assert factor(1.0) == pytest.approx(0.01)
    assert factor(0.0) > 0
    shares = [0.1 + 0.9 * step / 100 for step in range(101)]
    rates = [factor(share) for share in shares]
    assert rates == sorted(rates, reverse=True)


def test_without_warmup_it_starts_at_the_peak() -> None:
    assert lr_factor(0.0, warmup=0.0, final=0.0) == 1.0


def test_progress_by_batches() -> None:
    progress = Progress(Clock(), None, total_batches=200)
    assert progress.share(50) == 0.25
    assert progress.share(500) == 1.0
    assert Progress(Clock(), None, total_batches=0).share(0) == 0.0


def test_progress_by_the_clock_keeps_a_reserve_and_counts_earlier_sessions() -> None:
    clock = Clock(before=50.0)
    progress = Progress(clock, time_budget=110.0, total_batches=1, reserve=10.0)
    assert progress.share(0) == pytest.approx(0.5, abs=0.01)
    clock.before = 1000.0
    assert progress.share(0) == 1.0
    assert math.isfinite(Progress(clock, time_budget=1.0, total_batches=1, reserve=5.0).share(0))


def test_the_reserve_covers_the_evaluations_at_the_end() -> None:
    progress = Progress(Clock(), time_budget=100.0, total_batches=1)
    assert progress.reserve == CLOSING_SECONDS
    progress.reserve_for(20.0)
    assert progress.reserve == pytest.approx(1.1 * 20 + CLOSING_SECONDS)
    progress.reserve_for(10.0)  # the last measurement counts
    assert progress.reserve == pytest.approx(1.1 * 10 + CLOSING_SECONDS)
