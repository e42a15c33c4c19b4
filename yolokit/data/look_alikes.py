"""Near-duplicates: the same picture saved anew, smaller, lighter or mirrored, the next frame.

A picture is told by a small grey version of itself, a hash that is compared by correlation, not
by bits: every pair is compared, in products of matrices of whole numbers, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.images import grey_thumbnail
from yolokit.machine import usable_cpus

SIDE = (
    16  # pixels of the small version; its products are whole numbers below 2^24, exact in 32 bits
)
# Correlation. In 1458 photos of four sets all 43 pairs from here on show one scene; the nearest
# pair of two scenes has 0.900.
ALIKE = 0.92
_FLAT = 2.0  # standard deviation, grey levels: a picture of one colour looks like any other
_BLOCK = 2048  # pictures compared with all others at a time


def thumbnails(
    paths: Sequence[Path], *, progress: Callable[[float], None] | None = None
) -> NDArray[np.uint8]:
    """[I, SIDE, SIDE] uint8 grey versions of pictures, decoded in threads.

    Raises:
        ImageError: a picture is missing or cannot be decoded; the first one.
    """
    found = []
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for small in pool.map(lambda path: grey_thumbnail(path, SIDE), paths):
            found.append(small)
            if progress is not None:
                progress(len(found) / len(paths))
    return np.array(found, dtype=np.uint8).reshape(-1, SIDE, SIDE)


def look_alikes(small: NDArray[np.uint8], *, alike: float = ALIKE) -> list[tuple[int, int]]:
    """Pairs of pictures that show the same, also mirrored.

    Args:
        small: [I, SIDE, SIDE] uint8 grey.
        alike: the least correlation.

    Returns:
        Pairs (i, j), i < j, in order.
    """
    mirrored = _centred(small[:, :, ::-1])
    centred = _centred(small)
    lengths = np.sqrt((centred.astype(np.float64) ** 2).sum(axis=1))
    lengths[lengths < _FLAT * SIDE] = np.inf
    return sorted(
        {pair for other in (centred, mirrored) for pair in _pairs(centred, other, lengths, alike)}
    )


def _centred(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[I, SIDE * SIDE] whole numbers around 0, at most 255 from it."""
    flat = small.reshape(len(small), SIDE * SIDE).astype(np.float64)
    found: NDArray[np.float32] = np.rint(flat - flat.mean(axis=1, keepdims=True)).astype(np.float32)
    return found


def _pairs(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    lengths: NDArray[np.float64],
    alike: float,
) -> Iterator[tuple[int, int]]:
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        products = left[block] @ right[start:].T
        near = products >= alike * lengths[block, None] * lengths[None, start:]
        for i, j in np.argwhere(near).tolist():
            if i < j:
                yield start + i, start + j
