"""Where processes are spawned, a program without a guard gets an error and not a hang."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from yolokit.synthesis.dataset import synthesise

PROGRAM = """
import multiprocessing, yolokit
multiprocessing.set_start_method("spawn", force=True)
{guard}yolokit.train("quickstart", data="set", run="run", overrides=[
    "data.image_size=96", "train.batch_size=4", "train.epochs=1", "train.workers=1"])
"""


def ran(folder: Path, guard: str) -> subprocess.CompletedProcess[str]:
    synthesise(folder / "set", images=(12, 2, 0), size_hw=(64, 64), classes=2, seed=1, video=False)
    (folder / "program.py").write_text(PROGRAM.format(guard=guard))
    command = [sys.executable, "program.py"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=180
    )


@pytest.mark.slow
def test_a_program_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    done = ran(tmp_path, guard="")
    assert done.returncode == 1
    assert "each loading process imports it. Put the call under" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_program_with_a_guard_trains(tmp_path: Path) -> None:
    done = ran(tmp_path, guard='if __name__ == "__main__": ')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model.safetensors").exists()
