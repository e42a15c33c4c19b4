"""Building blocks that necks and heads share."""

from __future__ import annotations

from torch import nn


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
