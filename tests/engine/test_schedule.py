"""Learning rates over a run, by batches and by the clock."""

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


class Hands:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def budgeted(hands: Hands, budget: float, **others: float) -> Progress:
    return Progress(Clock(now=hands), time_budget=budget, total_batches=1, **others)


def test_the_share_counts_from_the_first_step_and_ends_before_the_reserve() -> None:
    hands = Hands()
    progress = budgeted(hands, 120.0, reserve=10.0)
    hands.time += 30  # reading, checking, caching
    progress.begin()
    assert progress.share(0) == 0.0
    hands.time += 20
    assert progress.share(1) == pytest.approx(20 / (120 - 30 - 10))
    progress.begin()  # every step says so; the first one counts
    hands.time += 60  # 110 of 120 seconds: the rest is the reserve's
    assert progress.share(2) == pytest.approx(1.0)
    hands.time += 50
    assert progress.share(3) == 1.0


def test_a_resumed_run_goes_on_with_its_seconds_and_its_reserve() -> None:
    hands = Hands()
    first = budgeted(hands, 200.0)
    hands.time += 10
    first.begin()
    hands.time += 50
    first.reserve_for(validation=20.0, report=20.0)
    share = first.share(7)
    assert share == pytest.approx(50 / (200 - 10 - (1.1 * 40 + CLOSING_SECONDS)))

    later = Hands()
    resumed = budgeted(later, 200.0)
    resumed.load_state_dict(first.state_dict())
    assert resumed.reserve == first.reserve
    assert resumed.share_of_batch(8) == share  # what the first batches are drawn by
    later.time += 5  # set-up once more
    resumed.begin()
    assert resumed.clock.elapsed() == 65
    assert resumed.share(8) == pytest.approx(50 / (200 - 15 - (1.1 * 40 + CLOSING_SECONDS)))


def test_the_reserve_covers_the_evaluations_at_the_end() -> None:
    progress = budgeted(Hands(), 100.0)
    assert progress.reserve == CLOSING_SECONDS
    progress.reserve_for(validation=8.0, report=12.0)
    assert progress.reserve == pytest.approx(1.1 * 20 + CLOSING_SECONDS)
    progress.reserve_for(validation=4.0, report=6.0)  # the last measurement counts
    assert progress.reserve == pytest.approx(1.1 * 10 + CLOSING_SECONDS)


def test_the_budget_is_spent_when_another_step_would_not_fit() -> None:
    hands = Hands()
    progress = budgeted(hands, 100.0, reserve=20.0)
    progress.begin()
    hands.time += 60
    progress.share(6)
    hands.time += 10  # a step of 10 s ends at 70: the next ends at 80
    assert not progress.budget_spent()
    progress.share(7)
    hands.time += 7  # a step of 7 s ends at 77: the next would end at 84
    assert progress.budget_spent()
    assert not Progress(Clock(now=hands), None, total_batches=1).budget_spent()


def test_a_validation_fits_where_it_leaves_time_for_the_last() -> None:
    hands = Hands()
    progress = budgeted(hands, 100.0)
    assert progress.validation_fits()  # not measured yet
    progress.begin()
    progress.reserve_for(validation=10.0, report=10.0)  # 11 + 11 + 2 seconds at the end
    hands.time += 64  # 12 left before the reserve
    assert progress.validation_fits()
    hands.time += 2
    assert not progress.validation_fits()
    assert Progress(Clock(), None, total_batches=1, validation=1e9).validation_fits()


def test_evaluations_longer_than_the_budget_leave_a_tenth_for_training() -> None:
    hands = Hands()
    progress = budgeted(hands, 100.0)
    progress.begin()
    assert progress.has_room()
    progress.reserve_for(validation=100.0, report=100.0)
    assert not progress.has_room()
    hands.time += 5
    assert progress.share(1) == pytest.approx(0.5)
