"""How large a network is. Needs torch only to count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from yolokit.models.detector import Detector


class NetworkSize(NamedTuple):
    """Parameters, and billions of operations a picture; a product and a sum are two."""

    parameters: int
    gflops: float


def size_of(detector: Detector, image_hw: tuple[int, int]) -> NetworkSize:
    """The size of a network as it is; operations are those of convolutions and matrix products.

    Args:
        detector: not changed.
        image_hw: (height, width) of the picture in pixels.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    picture = torch.zeros(1, 3, *image_hw, dtype=torch.uint8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector(picture)
    parameters = sum(each.numel() for each in detector.parameters())
    return NetworkSize(parameters, counter.get_total_flops() / 1e9)
