"""What runs a network, whatever it was exported to: pictures in, boxes and scores out, in NumPy."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from yolokit.types import DecodedArrays


@runtime_checkable
class Backend(Protocol):
    """A network ready to detect. One file each; only ``loading.py`` knows which it is."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda:0``, …"""

    @property
    def description(self) -> str:
        """Library, device and the precision it computes in, in a few words, for people."""

    def to(self, device: str) -> None:
        """Move there.

        Raises:
            ConfigError: no such device here, or none that this backend can use.
        """

    def __call__(self, images: NDArray[np.uint8], *, score_threshold: float = 0.0) -> DecodedArrays:
        """All boxes of some pictures, none suppressed.

        Args:
            images: [B, H, W, 3] uint8 RGB of the network's input size, B at least 1.
            score_threshold: 0..1. Boxes none of whose classes scores more may be left out, in
                whose place others of score 0 may stand; the order of the rest is kept.

        Returns:
            boxes [B, N, 4] input pixels, scores [B, N, C].
        """
