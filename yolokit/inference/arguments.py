"""What a caller may ask of a prediction."""

from __future__ import annotations

import math


def check_shares(**shares: float | None) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: by its name, what is not from 0 to 1.
    """
    for name, share in shares.items():
        if share is not None and not 0 <= share <= 1:  # NaN is neither
            raise ValueError(f"{name} must be from 0 to 1, got {share}")


def check_counts(**counts: int | None) -> None:
    """Refuse what is no number of things.

    Raises:
        ValueError: by its name, what is below 1 or not whole.
    """
    for name, count in counts.items():
        if count is not None and (count < 1 or not math.isfinite(count) or count != int(count)):
            raise ValueError(f"{name} must be a whole number of at least 1, got {count}")
