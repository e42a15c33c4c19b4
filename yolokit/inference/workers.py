"""Pictures through a network, many at a time or several side by side; results in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from yolokit.data.read_ahead import read_ahead
from yolokit.inference.backend import Backend, is_side_by_side
from yolokit.types import Detections

Pixels: TypeAlias = NDArray[np.uint8]  # [H, W, 3] RGB
Detect: TypeAlias = Callable[[list[Pixels]], Sequence[Detections]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Workers:
    """Threads in which a network may be called at the same time.

    Args:
        count: how many keep the machine busy, at least 2.
        begin: called first in each.
    """

    count: int
    begin: Callable[[], None]


def workers_of(backend: Backend) -> Workers | None:
    """The threads that a backend is best called from; None: from one, many pictures a call."""
    if not is_side_by_side(backend) or len(backend.shares) < 2:
        return None
    shares = backend.shares
    numbers = itertools.count()
    return Workers(len(shares), lambda: backend.begin_worker(shares[next(numbers) % len(shares)]))


def detect_each(
    items: Iterable[_T],
    pixels_of: Callable[[_T], Pixels],
    detect: Detect,
    *,
    batch_size: int,
    workers: Workers | None = None,
    threads: int = 0,
) -> Generator[tuple[_T, Pixels, Detections], None, None]:
    """Every item with its pixels and what is found in it, in order.

    Args:
        items: taken a few ahead.
        pixels_of: an item's picture; called where it is looked at, or ahead of that.
        detect: detections of a list of pictures, one for each.
        batch_size: pictures a call, or that wait while workers look at others, at least 1; one by
            one, nobody works ahead.
        workers: where ``detect`` is called, a picture at a time in each; None: in this thread.
        threads: in which ``pixels_of`` is called where there are no workers; 0: in this thread.

    Raises:
        Whatever ``pixels_of`` or ``detect`` raises, at its place.
    """
    if workers is not None and batch_size > 1:

        def looked_at(item: _T) -> tuple[_T, Pixels, Detections]:
            pixels = pixels_of(item)
            return item, pixels, detect([pixels])[0]

        yield from read_ahead(
            looked_at, items, threads=workers.count, ahead=batch_size, begin=workers.begin
        )
        return
    opened = read_ahead(
        lambda item: (item, pixels_of(item)), items, threads=threads, ahead=batch_size
    )
    while chunk := list(islice(opened, batch_size)):
        found = detect([pixels for _, pixels in chunk])
        for (item, pixels), detections in zip(chunk, found, strict=True):
            yield item, pixels, detections
