"""The training order: seeded, complete, the same for any number of ranks, resumable."""

import pytest

from yolokit.engine.sampling import EpochSampler
from yolokit.engine.schedule import Clock, Progress


def indices(sampler: EpochSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return [index for _, index, _ in sampler]


def test_an_epoch_is_a_permutation_without_the_unfilled_batch() -> None:
    sampler = EpochSampler(count=23, batch_size=5, seed=0)
    order = indices(sampler, 0)
    assert len(order) == len(sampler) == 20
    assert len(set(order)) == 20
    assert set(order) < set(range(23))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    first, second = (EpochSampler(count=50, batch_size=5, seed=seed) for seed in (0, 1))
    orders = [indices(first, 0), indices(first, 1), indices(second, 0)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert indices(EpochSampler(count=50, batch_size=5, seed=0), 0) == orders[0]


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_together_see_the_batches_of_one_rank(world_size: int) -> None:
    alone = indices(EpochSampler(count=40, batch_size=6, seed=7), 2)
    shares = []
    for rank in range(world_size):
        sampler = EpochSampler(count=40, batch_size=6, seed=7, rank=rank, world_size=world_size)
        shares.append(indices(sampler, 2))
        assert len(shares[-1]) == len(sampler)
    per_rank = 6 // world_size
    for batch in range(40 // 6):
        together = [i for share in shares for i in share[batch * per_rank : (batch + 1) * per_rank]]
        assert sorted(together) == sorted(alone[batch * 6 : (batch + 1) * 6])


def test_a_resumed_epoch_starts_behind_what_is_done_and_the_next_is_whole() -> None:
    whole = EpochSampler(count=30, batch_size=4, seed=1)
    resumed = EpochSampler(count=30, batch_size=4, seed=1, start=(3, 2))
    assert [index for _, index, _ in resumed] == indices(whole, 3)[8:]
    assert indices(resumed, 4) == indices(whole, 4)


def test_mosaic_is_decided_for_each_batch_by_its_number_in_the_run() -> None:
    # 12 pictures in batches of 4: three batches an epoch; the last of the second is number 5.
    sampler = EpochSampler(count=12, batch_size=4, seed=0, mosaic=lambda batch: batch < 5)
    keys = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        keys += list(sampler)
    assert [epoch for epoch, _, _ in keys] == [0] * 12 + [1] * 12
    assert [mosaic for _, _, mosaic in keys] == [True] * 20 + [False] * 4
    resumed = EpochSampler(
        count=12, batch_size=4, seed=0, start=(1, 1), mosaic=lambda batch: batch < 5
    )
    assert list(resumed) == keys[16:]


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_run_of_five_epochs_closes_mosaic_for_its_last_tenth(world_size: int) -> None:
    progress = Progress(Clock(), None, total_batches=5 * 10)
    flags: list[list[bool]] = []
    for rank in range(world_size):
        sampler = EpochSampler(
            count=40,
            batch_size=4,
            seed=0,
            rank=rank,
            world_size=world_size,
            mosaic=lambda batch: progress.share_of_batch(batch) < 1 - 0.1,
        )
        flags.append([])
        for epoch in range(5):
            sampler.set_epoch(epoch)
            flags[-1] += [mosaic for _, _, mosaic in sampler]
    for each in flags:
        assert each == [True] * (45 * 4 // world_size) + [False] * (5 * 4 // world_size)


@pytest.mark.parametrize(("batch_size", "world_size"), [(0, 1), (11, 1), (3, 2)])
def test_impossible_batches_are_refused(batch_size: int, world_size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        EpochSampler(count=10, batch_size=batch_size, seed=0, world_size=world_size)
