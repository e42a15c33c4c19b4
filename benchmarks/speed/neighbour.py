"""A training step beside another training on the same processors, as OpenMP waits and as we do.

    python benchmarks/speed/neighbour.py --steps 5 --rounds 3 --json neighbour.json

Two trainings share a machine, each in as many threads as it has processors. How much longer does a
step take than alone? Once with OpenMP's own long spinning at barriers (``before``), once with the
short one that the `yolokit` command asks for (``after``), in turn. At best a step takes twice as
long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SPINS = {"before": None, "after": "10000"}  # GOMP_SPINCOUNT; None: libgomp's own


def main() -> None:
    """Measure in turn, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    overrides = [word for override in options.o for word in ("-o", override)]
    rounds = [
        {
            name: {
                "alone": step_seconds(options.steps, overrides, spins),
                "beside another": step_seconds(options.steps, overrides, spins, neighbour=True),
            }
            for name, spins in SPINS.items()
        }
        for _ in range(options.rounds)
    ]
    figures = {"processors": os.cpu_count(), **summary(rounds), "rounds": rounds}
    options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name in SPINS:
        print(name, *(f"{key} {value:.2f}" for key, value in figures[name].items()), sep="  ")


def summary(rounds: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians of the seconds of a step, and of the slowdown within a round."""
    return {name: _medians([each[name] for each in rounds]) for name in SPINS}


def _medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {
        "alone": median(row["alone"] for row in rows),
        "beside another": median(row["beside another"] for row in rows),
        "slowdown": median(row["beside another"] / row["alone"] for row in rows),
    }


def step_seconds(
    steps: int, overrides: Sequence[str], spins: str | None, *, neighbour: bool = False
) -> float:
    """Seconds of a step of `training_step.py`.

    Args:
        steps: to measure.
        overrides: of the configuration.
        spins: GOMP_SPINCOUNT of both processes; None leaves OpenMP's own.
        neighbour: whether another such process trains meanwhile.
    """
    environment = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    if spins is not None:
        environment["GOMP_SPINCOUNT"] = spins
    program = [sys.executable, str(HERE / "training_step.py"), *overrides]
    with (
        tempfile.TemporaryDirectory() as folder,
        _running([*program, "--steps", "100000"], environment) if neighbour else nullcontext(),
    ):
        file = Path(folder) / "step.json"
        command = [*program, "--steps", str(steps), "--json", str(file)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        parts = json.loads(file.read_text(encoding="utf-8"))["parts"]
    return sum(part["ms"] for part in parts.values()) / 1000


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield
            if process.poll() is not None:
                raise SystemExit("the neighbour ended before the measurement did")
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
