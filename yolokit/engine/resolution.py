"""How large the pictures of a step are: small at first, and at random around that.

Early steps learn what a picture of fewer pixels shows just as well, in a fraction of the time
(Howard 2018, progressive resizing); sizes that vary make a detector less particular about size.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch.nn.functional as F

from yolokit.types import Batch, Truth

_MULTIPLE = 32  # pixels: sizes that every backbone's strides divide


@dataclass(frozen=True)
class Resolution:
    """The rule by which a step's pictures are resized.

    Args:
        start: side at the start of a run relative to the configured one, 0..1.
        growth: share of the run after which the configured side is reached.
        jitter: sides vary by up to this share either way, as long as pictures may be small.
    """

    start: float = 1.0
    growth: float = 0.6
    jitter: float = 0.0

    def factor(self, share: float, seed: int) -> float:
        """The side of a step's pictures relative to the configured one.

        Args:
            share: done share of the run in 0..1.
            seed: of the step's jitter.
        """
        grown = min(1.0, share / self.growth) if self.growth > 0 else 1.0
        side = self.start + (1 - self.start) * grown
        return side * (1 + random.Random(seed).uniform(-self.jitter, self.jitter))


def resize_batch(batch: Batch, factor: float) -> Batch:
    """Pictures and truths scaled so that both sides are multiples of 32, at least 32.

    Args:
        batch: as loaded.
        factor: of the sides; the nearest multiples are taken, so the aspect may shift a little.

    Returns:
        The batch itself where its size stays; else one with float pictures in 0..255.
    """
    height, width = batch.images.shape[2:]
    if factor == 1.0:
        return batch
    new_h, new_w = (
        max(1, round(side * factor / _MULTIPLE)) * _MULTIPLE for side in (height, width)
    )
    if (new_h, new_w) == (height, width):
        return batch
    images = F.interpolate(
        batch.images.float(),
        size=(new_h, new_w),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    scale = images.new_tensor([new_w / width, new_h / height] * 2)
    truths = [Truth(truth.boxes * scale, truth.labels) for truth in batch.truths]
    return Batch(images, truths, batch.letterboxes, batch.image_ids)
