"""What each operation of a network does to what its cells see.

Operations are those that PyTorch runs (``aten``), so that whatever a network is written in, traced
or not, is seen through. Of an operation that neither stands here nor works cell by cell, nothing
is known.

Shape legend: B images, C channels, H × W cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from yolokit.explain.sight import (
    EVERYTHING,
    Axis,
    Sight,
    joined_sights,
    resampled,
    shifted,
    windowed,
)

_ATEN = torch.ops.aten
_MOST_DIMS = 5  # of a view that leaves rows and columns as they are
_Rule = Callable[[Sight, Tensor, Tensor, Sequence[Any]], Sight | None]


def sight_after(
    operation: Any, args: Sequence[Any], output: Tensor, sights: Mapping[Tensor, Sight | None]
) -> Sight | None:
    """What the cells of an operation's output see.

    Args:
        operation: of ``torch.ops.aten``, one overload.
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
    packet = operation.overloadpacket
    if packet in _RULES:
        return _RULES[packet](known[0], inputs[0], output, args)
    by_cell = packet in _BY_CELL or torch.Tag.pointwise in operation.tags
    return joined_sights(known) if by_cell else None


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


def _resizing(reads: Callable[[int, Fraction], Sequence[int]]) -> _Rule:
    """To any size.

    Args:
        reads: of a new cell, and the old cells from one new cell to the next: those it reads.
    """

    def rule(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
        if not _by_sizes(given, output, args[2:]):
            return None
        return _resized(sight, given, output, reads)

    return rule


def _by_sizes(given: Tensor, output: Tensor, args: Sequence[Any]) -> bool:
    """Whether an enlargement's step is that of the sizes: no corners on corners, no odd factor."""
    factors = [each for each in args if isinstance(each, float)]
    sides = zip(factors, given.shape[2:], output.shape[2:], strict=False)  # none, or one a side
    exact = (math.isclose(factor * old, new) for factor, old, new in sides)
    return all(each is not True for each in args) and all(exact)


def _resized(
    sight: Sight, given: Tensor, output: Tensor, reads: Callable[[int, Fraction], Sequence[int]]
) -> Sight:
    def change(side: int, axis: Axis) -> Axis:
        step = Fraction(given.shape[2 + side], output.shape[2 + side])
        return resampled(
            axis, old=step.numerator, new=step.denominator, read=lambda cell: reads(cell, step)
        )

    return _along(sight, change)


def _nearest(cell: int, step: Fraction) -> Sequence[int]:
    return [math.floor(cell * step)]


def _blended(cell: int, step: Fraction) -> Sequence[int]:
    """The two whose middles lie about that of the new cell."""
    place = (cell + Fraction(1, 2)) * step - Fraction(1, 2)
    return range(math.floor(place), math.ceil(place) + 1)


def _touched(cell: int, step: Fraction) -> Sequence[int]:
    return range(math.floor(cell * step), math.ceil((cell + 1) * step))


def _adaptive(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
    if output.shape[2:] == (1, 1):
        return EVERYTHING
    return _resized(sight, given, output, _touched)


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


def _normalised(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
    """By batch statistics of training: cell by cell. By the picture's own: the whole of it."""
    by_picture = args[5] is True
    return replace(sight, whole=sight.whole or by_picture)


def _group_normalised(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
    return replace(sight, whole=True)


def _viewed(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    """Rows and columns stay what they are, unless they are laid out in blocks."""
    return sight if output.dim() <= _MOST_DIMS else None


def _cut(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    """Of channels; where rows or columns are cut off or left out, cells have moved."""
    dim, start = _argument(args, 1, 0) % given.dim(), _argument(args, 2, 0)
    step = _argument(args, 4, 1)
    return sight if step == 1 and (dim < 2 or not start) else None


def _selected(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight | None:
    """One channel; one row or column is no map any more."""
    return sight if args[1] % given.dim() < 2 else None


def _kept(sight: Sight, given: Tensor, output: Tensor, args: Sequence[Any]) -> Sight:
    return sight


_RULES: dict[Any, _Rule] = {
    _ATEN.convolution: _convolution,
    _ATEN.max_pool2d_with_indices: _max_pooling,
    _ATEN.max_pool2d: _max_pooling,
    _ATEN.avg_pool2d: _pooling,
    _ATEN._adaptive_avg_pool2d: _adaptive,
    _ATEN.adaptive_max_pool2d: _adaptive,
    _ATEN.mean: _reduction,
    _ATEN.sum: _reduction,
    _ATEN.amax: _reduction,
    _ATEN.upsample_nearest2d: _resizing(_nearest),
    _ATEN.upsample_bilinear2d: _resizing(_blended),
    _ATEN.constant_pad_nd: _padding,
    _ATEN.mm: _product,
    _ATEN.addmm: _product,
    _ATEN.native_batch_norm: _normalised,
    _ATEN.native_group_norm: _group_normalised,
    _ATEN.native_layer_norm: _kept,  # of a cell's channels
    **dict.fromkeys((_ATEN.view, _ATEN._unsafe_view, _ATEN.permute), _viewed),
    _ATEN.slice: _cut,
    _ATEN.select: _selected,
}
# Cell by cell, with those that PyTorch itself marks as such.
_BY_CELL = {
    *(_ATEN.hardswish, _ATEN.hardswish_, _ATEN._prelu_kernel, _ATEN._to_copy, _ATEN.copy_),
    *(_ATEN.cat, _ATEN.split, _ATEN.split_with_sizes, _ATEN.transpose, _ATEN.t),
    *(_ATEN.squeeze, _ATEN.unsqueeze, _ATEN.expand, _ATEN.as_strided_, _ATEN.detach),
    *(
        _ATEN.channel_shuffle,
        _ATEN.native_channel_shuffle,
    ),
}


def multiply_adds(operation: Any, args: Sequence[Any], output: Any) -> int:
    """Multiplications of a convolution or matrix product, each with its addition; else 0."""
    from torch.utils.flop_counter import flop_registry

    count = flop_registry.get(operation)
    return 0 if count is None else math.ceil(count(*args, out_val=output) / 2)
