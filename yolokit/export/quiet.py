"""Keep the libraries of an export to themselves: what they log and draw is for their developers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOUD = (
    *("nncf", "onnxscript", "onnx_ir"),
    *("torch.onnx", "torch.export", "torch.utils.cpp_extension"),  # the last: where nncf loads it
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings and the libraries' own logs within; all is as it was afterwards."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
