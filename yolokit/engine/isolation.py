"""Leaving the program that trains as it was: its random numbers, warnings and log levels."""

from __future__ import annotations

import logging
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def isolated() -> Iterator[None]:
    """Give the caller's random states, warning filters and log levels back, also after an error.

    Inside, Lightning's advice for its developers is not heard; its errors are.
    """
    own, numbers = random.getstate(), np.random.get_state()
    torch: Any = sys.modules.get("torch")  # where nobody loaded it, it has no state
    tensors = torch.get_rng_state() if torch else None
    gpus = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else []
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
        if torch:
            torch.set_rng_state(tensors)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
