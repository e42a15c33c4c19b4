"""Leaving the program that trains as it was: its random numbers, warnings and log levels."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def isolated() -> Iterator[None]:
    """Give the caller's random states, warning filters and log levels back, also after an error.

    Inside, Lightning's advice for its developers is not heard; its errors are.
    """
    own, numbers, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    gpus = torch.cuda.get_rng_state_all() if started else []
    advice = logging.getLogger("lightning.pytorch")
    level = advice.level
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.pytorch")
            advice.setLevel(logging.ERROR)
            yield
    finally:
        advice.setLevel(level)
        random.setstate(own)
        np.random.set_state(numbers)
        torch.set_rng_state(tensors)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
