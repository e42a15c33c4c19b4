"""How fast this machine multiplies matrices: the bound of what a network can reach on it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_SIDE = 1024  # of the matrices on a CPU; large enough that its arithmetic units are kept busy
_SIDE_ELSEWHERE = 8192
_SECONDS = 0.5  # a kind of number


class MatrixRate(NamedTuple):
    """Billions of operations a second (a product and a sum are two); None where unknown.

    Args:
        fp32, bf16: with numbers of that kind.
        library: what multiplied.
    """

    fp32: float
    bf16: float | None
    library: str


def matrix_rate(device: str = "cpu", *, seconds: float = _SECONDS) -> MatrixRate:
    """The best of many products, by torch where it is installed, else by NumPy.

    Args:
        device: ``cpu``, or one of torch's.
        seconds: to spend on each kind of number.
    """
    if importlib.util.find_spec("torch") is None:
        matrix = np.ones((_SIDE, _SIDE), dtype=np.float32)
        rate = _best(lambda: matrix @ matrix, _SIDE, seconds)
        return MatrixRate(rate, None, f"numpy {np.__version__}")
    import torch

    side = _SIDE if device == "cpu" else _SIDE_ELSEWHERE
    rates = [
        _best(_product(torch.ones(side, side, device=device, dtype=kind)), side, seconds)
        for kind in (torch.float32, torch.bfloat16)
    ]
    return MatrixRate(rates[0], rates[1], f"torch {torch.__version__}")


def _product(matrix: Any) -> Callable[[], Any]:
    """A product that is finished when it returns, wherever it is computed."""
    return lambda: (matrix @ matrix)[0, 0].item()


def _best(multiply: Callable[[], Any], side: int, seconds: float) -> float:
    multiply()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        started = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - started)
    return 2e-9 * side**3 / best
