"""Detections in words, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def counted(labels: NDArray[np.int64], class_names: Sequence[str]) -> str:
    """How many of what: ``3 fish, 1 shark``, the most first; ``nothing`` for none.

    Args:
        labels: [N] in 0..C-1.
        class_names: C names.
    """
    return listed_counts(Counter(labels.tolist()), class_names)


def listed_counts(counts: Mapping[int, int], class_names: Sequence[str]) -> str:
    """As ``counted``, of label -> how many."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count} {class_names[label]}" for label, count in ordered) or "nothing"
