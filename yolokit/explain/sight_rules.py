"""What each operation of a network does to what its cells see.

Operations are those that PyTorch runs (``aten``), so that whatever a network is written in, traced
or not, is seen through. Whatever is not named here works cell by cell.

Shape legend: B images, C channels, H × W cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from yolokit.explain.sight import (
    EVERYTHING,
    Axis,
    Sight,
    joined_sights,
    repeated,
    rescaled,
    shifted,
    windowed,
)

_ATEN = torch.ops.aten
_Rule = Callable[[Sight, Tensor, Tensor, Sequence[Any]], Sight | None]


def sight_after(
    operation: Any, args: Sequence[Any], output: Tensor, sights: Mapping[Tensor, Sight | None]
) -> Sight | None:
    """What the cells of an operation's output see.

    Args:
        operation: of ``torch.ops.aten``, without its overload.
        args: that it was called with.
        output: its first tensor.
        sights: of tensors that come from the picture; None for one of which nothing is known.

    Returns:
        None where nothing is known.
    """
    inputs = [each for each in _tensors(args) if each in sights]
    known = [sight for each in inputs if (sight := sights[each]) is not None]
    if len(known) < len(inputs) or not known:
        return None
    rule = _RULES.get(operation)
    if rule is None:
        return joined_sights(known)
    return rule(known[0], inputs[0], output, args)


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []


def _along(sight: Sight, change: Callable[[int, Axis], Axis]) -> Sight:
    """The sight with both axes changed; 0 stands for rows and 1 for columns."""
    if sight.rows is None or sight.cols is None:
        return sight
    return Sight(change(0, sight.rows), change(1, sight.cols), sight.whole)


def _pair(value: Any) -> tuple[int, int]:
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    return numbers[0], numbers[-1]


def _convolution(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    _, weight, _, stride, padding, dilation, transposed, *_ = args
    if transposed or weight.dim() != 4:
        return None
    kernel = tuple(weight.shape[2:])
    return _windows(sight, kernel, stride, padding, dilation)


def _pooling(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    kernel = args[1]
    return _windows(sight, kernel, _argument(args, 2, []) or kernel, _argument(args, 3, 0), 1)


def _max_pooling(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    kernel, stride = args[1], _argument(args, 2, []) or args[1]
    return _windows(sight, kernel, stride, _argument(args, 3, 0), _argument(args, 4, 1))


def _argument(args: Sequence[Any], place: int, default: Any) -> Any:
    return args[place] if len(args) > place else default


def _windows(sight: Sight, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Sight:
    sizes = [_pair(each) for each in (kernel, stride, padding, dilation)]
    return _along(
        sight,
        lambda side, axis: windowed(
            axis,
            kernel=sizes[0][side],
            stride=sizes[1][side],
            padding=sizes[2][side],
            dilation=sizes[3][side],
        ),
    )


def _resizing(kernel: int) -> _Rule:
    """To any size; each new cell reads ``kernel`` old ones on each axis."""

    def rule(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
        def change(side: int, axis: Axis) -> Axis:
            old, new = given.shape[2 + side], output.shape[2 + side]
            if old == new:
                return axis
            if kernel == 1 and new % old == 0:
                return repeated(axis, new // old)
            return rescaled(axis, kernel=kernel, step=Fraction(old, new))

        return _along(sight, change)

    return rule


def _adaptive(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
    def change(side: int, axis: Axis) -> Axis:
        old, new = given.shape[2 + side], output.shape[2 + side]
        if old % new == 0:
            return windowed(axis, kernel=old // new, stride=old // new, padding=0)
        bounds = [(cell * old // new, -(-(cell + 1) * old // new)) for cell in range(new)]
        longest = max(end - start for start, end in bounds)
        return rescaled(axis, kernel=longest, step=Fraction(old, new))

    if output.shape[2:] == (1, 1):
        return EVERYTHING
    return _along(sight, change)


def _reduction(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    """A mean over all cells sees everything; one over channels changes nothing."""
    dims = args[1] if len(args) > 1 and args[1] else range(given.dim())
    over = {dim % given.dim() for dim in _listed(dims)}
    if given.dim() != 4:
        return None
    if over == {2, 3} or len(over) == 4:
        return EVERYTHING
    return sight if over == {1} else None


def _listed(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _padding(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    before = args[1]  # left, right, top, bottom, …
    if len(before) > 4 and any(before[4:]):
        return sight  # of channels
    starts = (before[2] if len(before) > 2 else 0, before[0])
    return _along(sight, lambda side, axis: shifted(axis, starts[side]))


def _product(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    """A matrix product: over the channels of each cell, or over all cells laid in a row."""
    factors = [each for each in _tensors(args) if each.dim() == 2]
    if any(each is given for each in factors[1:]) or given.dim() != 2:
        return None
    rows, cells = output.shape[0], sight.rows
    return sight if cells is not None and rows > 1 else EVERYTHING


def _unknown(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    return None


_RULES: dict[Any, _Rule] = {
    _ATEN.convolution: _convolution,
    _ATEN.max_pool2d_with_indices: _max_pooling,
    _ATEN.max_pool2d: _max_pooling,
    _ATEN.avg_pool2d: _pooling,
    _ATEN._adaptive_avg_pool2d: _adaptive,
    _ATEN.adaptive_max_pool2d: _adaptive,
    _ATEN.mean: _reduction,
    _ATEN.sum: _reduction,
    _ATEN.upsample_nearest2d: _resizing(1),
    _ATEN.upsample_bilinear2d: _resizing(2),
    _ATEN.constant_pad_nd: _padding,
    _ATEN.mm: _product,
    _ATEN.addmm: _product,
    **dict.fromkeys((_ATEN.bmm, _ATEN.baddbmm, _ATEN._softmax, _ATEN.roll), _unknown),
}


def multiply_adds(operation: Any, args: Sequence[Any], output: Any) -> int:
    """Multiplications of a convolution or matrix product, each with its addition; else 0."""
    from torch.utils.flop_counter import flop_registry

    count = flop_registry.get(operation)
    return 0 if count is None else math.ceil(count(*args, out_val=output) / 2)
