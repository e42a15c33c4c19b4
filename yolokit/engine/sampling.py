"""The order in which pictures are trained on: shuffled by seed, shared by ranks, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from yolokit.data.loading import sample_seed

_ORDER_STREAM = -1  # index that no picture has: the seed of an epoch's order


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order [count] int64 in which an epoch looks at its pictures, over all ranks."""
    generator = torch.Generator().manual_seed(sample_seed(seed, epoch, _ORDER_STREAM))
    return torch.randperm(count, generator=generator)


class EpochSampler(Sampler[tuple[int, int, bool]]):
    """Yields ``(epoch, picture index, mosaic)``: every epoch in its own order, set by the seed.

    Each global batch is dealt to the ranks in turn, so that n ranks together see the very
    batches one rank would see. What does not fill a global batch waits for the next epoch's
    order. A resumed epoch starts behind the batches already trained on.

    Args:
        count: pictures in the set.
        batch_size: pictures in a global batch, over all ranks; at most ``count``.
        seed: of the run.
        rank: this process, 0..world_size-1.
        world_size: processes; divides ``batch_size``.
        start: (epoch, batches of it already done).
        mosaic: whether a batch may use mosaic, by its number in the whole run; asked when the
            batch is drawn.
    """

    def __init__(
        self,
        *,
        count: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        start: tuple[int, int] = (0, 0),
        mosaic: Callable[[int], bool] = lambda batch: True,
    ) -> None:
        if not 1 <= batch_size <= count:
            raise ValueError(f"batch_size must be 1..{count} (pictures in the set)")
        if batch_size % world_size:
            raise ValueError(f"batch_size {batch_size} is not a multiple of {world_size} ranks")
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.start = start
        self.mosaic = mosaic
        self.epoch = start[0]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is; the trainer does."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.batch_size * self.batch_size // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        epoch = self.epoch
        order = epoch_order(self.count, self.seed, epoch).tolist()
        done = self.start[1] if epoch == self.start[0] else 0
        per_epoch = self.count // self.batch_size
        for batch in range(done, per_epoch):
            mosaic = self.mosaic(epoch * per_epoch + batch)
            first, end = batch * self.batch_size, (batch + 1) * self.batch_size
            for index in order[first + self.rank : end : self.world_size]:
                yield epoch, index, mosaic
