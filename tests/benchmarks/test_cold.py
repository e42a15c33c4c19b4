"""Whole programs: what a process took, and the table of several rounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cold
import pytest
from cold import FIGURES, Row, table


def row(seconds: float) -> Row:
    return {**dict.fromkeys(FIGURES, 1.0), "seconds": seconds}


def test_ratios_are_those_of_one_round() -> None:
    """20/10, 30/20, 90/30: 2, 1.5, 3; medians 20 and 30, whose ratio 1.5 would mislead."""
    rounds = [{"ours": row(a), "peer": row(b)} for a, b in [(10, 20), (20, 30), (30, 90)]]
    _, ours, peer = (line.split() for line in table(rounds).splitlines())
    assert ours == ["ours", "20.00", "1.00", "1.00", "1.00", "1.00", "1.00"]
    assert peer == ["peer", "30.00", "1.00", "1.00", "2.00", "1.50", "3.00"]


def test_a_process_is_measured_by_a_small_one() -> None:
    """Linux counts the memory of whoever starts a process: a test's would hide it."""
    program = f"""
import sys; sys.path.append({str(Path(cold.__file__).parent)!r})
from cold import run
for code in ("", "b'x' * 200_000_000"):
    print(run([sys.executable, "-c", code], threads=1)["memory"])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    empty, filled = map(float, ran.stdout.split())
    assert filled - empty == pytest.approx(200, abs=10)


def test_a_failing_process_stops_the_measurement() -> None:
    with pytest.raises(SystemExit, match="exit status 3"):
        cold.run([sys.executable, "-c", "raise SystemExit(3)"], threads=1)
