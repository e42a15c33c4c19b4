"""Building blocks that necks and heads share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupedConv2d(nn.Conv2d):
    """A strided grouped convolution, trained by a processor in 32 bits where autocast wants bf16.

    oneDNN has no fast gradient of those in bf16: 17 to 33 ms against 1 to 5 for MobileNetV2's at a
    batch of 8 (oneDNN of torch 2.15, two cores with AVX512_BF16).
    """

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of [B, channels, H, W], in the type it came in."""
        mixed = input.dtype == torch.bfloat16 and self.weight.dtype == torch.float32
        if mixed and input.device.type == "cpu" and torch.is_grad_enabled():
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float()).to(input.dtype)
        return super().forward(input)


def use_grouped_convolutions(network: nn.Module) -> None:
    """Make the strided grouped convolutions of a network ``GroupedConv2d``, weights kept."""
    for module in network.modules():
        if type(module) is nn.Conv2d and module.groups > 1 and max(module.stride) > 1:
            module.__class__ = GroupedConv2d


def conv_block(
    in_channels: int, out_channels: int, *, kernel: int, stride: int | tuple[int, int] = 1
) -> nn.Sequential:
    """Convolution, batch norm, SiLU; odd ``kernel``, padded to keep the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.SiLU(),
    )


def separable_block(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1
) -> nn.Sequential:
    """The same, factored: a depthwise convolution, then a pointwise one (Howard et al. 2017)."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            in_channels,
            kernel,
            stride,
            padding=kernel // 2,
            groups=in_channels,
            bias=False,
        ),
        nn.BatchNorm2d(in_channels),
        nn.SiLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.SiLU(),
    )
