"""Slowdowns are those of one round."""

from __future__ import annotations

import pytest
from neighbour import summary


def test_a_slowdown_is_that_of_a_round() -> None:
    """10/2, 8/4, 27/3: 5, 2, 9, so 5; of the medians, 10 and 3, it would be 3.3."""
    rows = [(2.0, 10.0), (4.0, 8.0), (3.0, 27.0)]
    rounds = [
        {name: {"alone": a, "beside another": b} for name in ("before", "after")} for a, b in rows
    ]
    told = summary(rounds)["after"]
    assert told == pytest.approx({"alone": 3, "beside another": 10, "slowdown": 5})
