from __future__ import annotations

import numpy as np

from yolokit.inference.words import counted

NAMES = ["fish", "shark", "ray"]


def test_the_most_come_first_and_equals_by_label() -> None:
    assert counted(np.array([1, 2, 0, 0, 2, 0]), NAMES) == "3 fish, 2 ray, 1 shark"
    assert counted(np.array([2, 0]), NAMES) == "1 fish, 1 ray"


def test_nothing() -> None:
    assert counted(np.zeros(0, dtype=np.int64), NAMES) == "nothing"
