"""Sizes of all tensors of a traced network, found without computing one.

Shape legend: B images, C channels, H × W rows and columns of a map.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from yolokit.backbones.torchvision_models import ops

Size: TypeAlias = tuple[int, ...]

_KEEP_SIZE = (
    *(nn.BatchNorm2d, nn.Dropout, nn.Identity, ops.StochasticDepth),
    *(nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.Sigmoid, nn.Hardsigmoid),
)


class Sizes(fx.Interpreter):
    """Runs a graph on the meta device and remembers the size of every tensor in it.

    What the commonest layers and functions do to a size is known here: torch would work it out in
    Python, for which it loads its compiler, longer than all else that reading a model file takes.

    Args:
        module: on the meta device.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.sizes: dict[fx.Node, Size] = {}

    def run_node(self, n: fx.Node) -> Any:
        """The node's value; its size is remembered where it is a tensor."""
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.sizes[n] = tuple(value.shape)
        return value

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the module gives, without running it where its size is known."""
        module, first = self.fetch_attr(target), args[0] if args else None
        size = _size_after(module, tuple(first.shape)) if isinstance(first, Tensor) else None
        return super().call_module(target, args, kwargs) if size is None else _ghost(size)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function gives, likewise."""
        rule = _RULES.get(target)
        size = None if rule is None else rule(*args, **kwargs)
        return super().call_function(target, args, kwargs) if size is None else _ghost(size)


def _ghost(size: Size) -> Tensor:
    return torch.empty(size, device="meta")


def _size_after(module: nn.Module, size: Size) -> Size | None:
    """Of a tensor after a module; None: not known here, or an error that torch puts into words."""
    if type(module) in _KEEP_SIZE:
        return size
    if type(module) is nn.Linear:
        return (*size[:-1], module.out_features)
    if type(module) is nn.AdaptiveAvgPool2d and module.output_size in (1, (1, 1)):
        return (*size[:-2], 1, 1)
    if len(size) != 4:
        return None
    if type(module) is nn.Conv2d and module.in_channels == size[1]:
        return _after_window(module, size, module.out_channels)
    if type(module) in (nn.MaxPool2d, nn.AvgPool2d):
        return _after_window(module, size, size[1])
    return None


def _after_window(module: Any, size: Size, channels: int) -> Size | None:
    """[B, C, H, W] after a convolution or pooling."""
    if isinstance(module.padding, str) or getattr(module, "ceil_mode", False):
        return None
    sides = [
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, padding, dilation in zip(
            size[2:],
            _pair(module.kernel_size),
            _pair(module.stride),
            _pair(module.padding),
            _pair(getattr(module, "dilation", 1)),
            strict=True,
        )
    ]
    return (size[0], channels, *sides) if min(sides) > 0 else None


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _elementwise(*values: Any, **_options: Any) -> Size:
    sizes = [tuple(value.shape) for value in values if isinstance(value, Tensor)]
    return tuple(np.broadcast_shapes(*sizes))


def _cat(parts: Any, dim: int = 0) -> Size:
    joined = list(parts[0].shape)
    joined[dim] = sum(part.shape[dim] for part in parts)
    return tuple(joined)


def _flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Size | None:
    if start_dim < 0 or end_dim != -1:
        return None
    return (*x.shape[:start_dim], math.prod(x.shape[start_dim:]))


def _pooled(x: Tensor, output_size: Any) -> Size | None:
    return (*x.shape[:-2], 1, 1) if output_size in (1, (1, 1)) else None


_RULES: dict[Any, Callable[..., Size | None]] = {
    **dict.fromkeys((operator.add, operator.iadd, operator.mul, torch.add), _elementwise),
    **dict.fromkeys((F.relu, F.dropout), lambda x, *_, **__: tuple(x.shape)),
    torch.cat: _cat,
    torch.flatten: _flatten,
    F.adaptive_avg_pool2d: _pooled,
}
