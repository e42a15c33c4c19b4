"""Networks in bfloat16 on a CPU: half the bits, where the processor has instructions for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from yolokit.machine import bf16_pays
from yolokit.models.detector import Detector
from yolokit.types import GridOutput

# By their weight as it is: a subclass may compute with it first, which wants all its bits.
_ROUNDED = (nn.Conv2d, nn.Linear)


def computes_bf16() -> bool:
    """Whether torch has instructions for bfloat16 on this CPU, and is faster with them."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in every torch we run on
    capabilities: dict[str, Any] = ask() if ask else {}
    return bool(capabilities.get("avx512_bf16", False)) and bf16_pays()


def round_weights(network: nn.Module) -> None:
    """Keep the weights of convolutions and linear layers in bfloat16, which ``forward_in_bf16``
    would else make of them at every call."""
    for module in network.modules():
        if type(module) in _ROUNDED:
            module.to(torch.bfloat16)


def forward_in_bf16(detector: Detector, images: Tensor) -> list[GridOutput]:
    """What ``detector`` makes of some pictures, computed in bfloat16 where that is safe.

    Torch decides where (``torch.autocast``): convolutions and matrix products, but not what sums
    many numbers or takes exponents of them. Boxes are to be decoded in 32 bits.

    Returns:
        As ``Detector.forward``, in 32 bits.
    """
    with torch.autocast(images.device.type, torch.bfloat16):
        outputs = detector(images)
    return [
        dataclasses.replace(
            level,
            classes=level.classes.float(),
            confidences=None if level.confidences is None else level.confidences.float(),
            box_codes=level.box_codes.float(),
        )
        for level in outputs
    ]
