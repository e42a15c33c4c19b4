"""Sharing pictures out to splits so that each holds every class in proportion.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data,
ECML PKDD 2011), the rarest class first, of groups that stay whole. Of several seeded orders the
one is taken whose boxes come closest to the shares as well.

Shape legend: G groups of pictures, C classes, S splits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import DataError

_TRIES = 100  # orders; for many groups chance is even by itself
_GROUPS_TRIED = 50_000  # in all orders together


def share_out(
    sizes: NDArray[np.int64],
    pictures: NDArray[np.int64],
    boxes: NDArray[np.int64],
    shares: Sequence[float],
    *,
    seed: int,
) -> NDArray[np.int64]:
    """Which split each group goes to.

    A class that fewer groups hold than there are splits stands in the first splits; no split but
    the first takes a group that is larger than what it still lacks, unless it would stay empty.

    Args:
        sizes: [G] pictures of each group, at least 1.
        pictures: [G, C] those that hold a class.
        boxes: [G, C] boxes of a class.
        shares: [S] of the pictures, above 0, 1 in all; the first is the training split's.
        seed: equal seeds give equal splits.

    Returns:
        [G] index of a split; none is empty.

    Raises:
        DataError: fewer groups than splits.
    """
    if len(sizes) < len(shares):
        raise DataError(f"{len(sizes)} groups of pictures cannot fill {len(shares)} splits")
    wanted = np.asarray(shares, dtype=np.float64)
    tries = max(1, min(_TRIES, _GROUPS_TRIED // len(sizes)))
    found = [
        _one_order(sizes, pictures, wanted, np.random.default_rng([seed, each]))
        for each in range(tries)
    ]
    columns = np.column_stack([sizes, boxes])
    return min(found, key=lambda each: _imbalance(each, columns, wanted))


def _one_order(
    sizes: NDArray[np.int64],
    pictures: NDArray[np.int64],
    shares: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """[G] splits by one order of the groups."""
    place = _Places(sizes, pictures, shares)
    chance = random.permutation(len(sizes))
    while (left := (pictures[place.free] > 0).sum(axis=0)).any():
        rarest = int(np.argmin(np.where(left > 0, left, len(sizes) + 1)))
        holding = np.flatnonzero(place.free & (pictures[:, rarest] > 0))
        order = np.lexsort([chance[holding], -sizes[holding], -pictures[holding, rarest]])
        for group in holding[order].tolist():
            place.put(group, place.neediest(group, rarest))
    rest = np.flatnonzero(place.free)
    for group in rest[np.lexsort([chance[rest], -sizes[rest]])].tolist():
        place.put(group, place.neediest(group))
    place.fill_empty()
    return place.split_of


class _Places:
    """Splits while they are filled."""

    def __init__(
        self,
        sizes: NDArray[np.int64],
        pictures: NDArray[np.int64],
        shares: NDArray[np.float64],
    ) -> None:
        self.sizes, self.pictures = sizes, pictures
        self.split_of = np.full(len(sizes), -1, dtype=np.int64)
        self.free = np.ones(len(sizes), dtype=np.bool_)
        self._wanted = shares * sizes.sum()  # [S] pictures
        self._lacking = self._wanted.copy()
        self._wanted_of = np.outer(shares, pictures.sum(axis=0))  # [S, C]
        self._lacking_of = self._wanted_of.copy()

    def neediest(self, group: int, label: int | None = None) -> int:
        """The split that lacks most in proportion, of a class first; the first where all are even.

        A split that has nothing of a class yet lacks all of it, so that rare ones come everywhere.
        """
        has_room = [
            split == 0 or self.sizes[group] <= math.ceil(lacking - 1e-9)
            for split, lacking in enumerate(self._lacking)
        ]
        needs = [(self._lacking / self._wanted).round(9)]
        if label is not None:
            needs.insert(0, (self._lacking_of[:, label] / self._wanted_of[:, label]).round(9))
        return max(
            (split for split, room in enumerate(has_room) if room),
            key=lambda split: (*(need[split] for need in needs), -split),
        )

    def put(self, group: int, split: int) -> None:
        """Give a group to a split, from another one if it has it."""
        before = int(self.split_of[group])
        for index, sign in ((split, -1), (before, 1)) if before >= 0 else ((split, -1),):
            self._lacking[index] += sign * self.sizes[group]
            self._lacking_of[index] += sign * self.pictures[group]
        self.split_of[group], self.free[group] = split, False

    def fill_empty(self) -> None:
        """Give every empty split the smallest group of those that have several."""
        for split in range(len(self._wanted)):
            counts = np.bincount(self.split_of, minlength=len(self._wanted))
            if not counts[split]:
                movable = np.flatnonzero(counts[self.split_of] > 1)
                self.put(int(movable[np.argmin(self.sizes[movable])]), split)


def _imbalance(
    split_of: NDArray[np.int64], columns: NDArray[np.int64], shares: NDArray[np.float64]
) -> float:
    """How far counts are from their shares, each column alike: a chi-square of proportions."""
    have = np.zeros((len(shares), columns.shape[1]))
    np.add.at(have, split_of, columns)
    totals = columns.sum(axis=0)
    have = have[:, totals > 0] / totals[totals > 0]
    return float((((have - shares[:, None]) ** 2) / shares[:, None]).sum().round(12))
