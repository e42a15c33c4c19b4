"""Programs of benchmarks/ answer a wrong path as wrong usage, without a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("yolov1_sets.py", "--root absent --weights absent --out out"),
        ("accuracy/list_sets.py", "--root absent --out out.json"),
        ("accuracy/panorama_set.py", "absent out"),
        ("accuracy/table.py", "--sets absent.json --out out"),
        ("accuracy/yolokit_run.py", "--sets absent.json --set a --out out"),
        ("speed/feature_cache.py", "--data absent"),
        ("speed/latency.py", "--pictures absent --out out.json"),
        ("speed/serving.py", "--pictures absent --model absent"),
        ("speed/training_step.py", "--data absent"),
        ("speed/video_walk.py", "--model absent --video absent --out out.json"),
    ],
)
def test_a_wrong_path_is_told_in_a_line(program: str, words: str, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / program), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in (1, 2), done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "error: " in last and "absent" in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
