"""A run that is killed and resumed ends in the very weights of one that is not."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolokit.synthesis.dataset import synthesise

KILLS = 10
EPOCHS = 24  # enough steps for all the kills to find the run at work
# Everything that carries state or chance is switched on: EMA, mosaic, dropout, accumulation,
# stages unfrozen in mid-run, two workers, a validation every other epoch.
CONFIG = f"""
model:
  head: {{type: yolov1, grid_size: 2, channels: 16, dropout: 0.2}}
  backbone: {{name: squeezenet1_1, weights: none, trainable_stages: 2, unfreeze_epoch: 1}}
data: {{image_size: 64}}
augment: {{mosaic: 0.5, crop: 0.3, blur: 0.2, noise: 0.2, rotate: 5}}
train:
  epochs: {EPOCHS}
  batch_size: 4
  accumulate: 2
  validate_every: 2
  checkpoint_seconds: 0
  workers: 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny set and its config."""
    folder = tmp_path_factory.mktemp("resume")
    synthesise(folder / "set", images=(26, 6, 2), size_hw=(64, 64), classes=2, seed=3, video=False)
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "yolokit", "train", *map(str, arguments), "--device", "cpu"]


def run(*arguments: str | Path) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def stop_somewhere(rng: random.Random, checkpoint: Path, arguments: list[str], number: int) -> int:
    """Start, wait for a checkpoint of this session and a random moment more, send the signal."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, start_new_session=True) as process:
        runs = True
        while runs and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            runs = not ended_within(process, 0.005)
        if runs and not ended_within(process, rng.random() * 0.3):  # a few steps
            target = os.killpg if number == signal.SIGKILL else os.kill
            target(process.pid, number)
        assert process.stderr is not None
        process.stderr.read()
        return process.wait()


@pytest.mark.slow
def test_ten_kills_change_no_bit(folder: Path) -> None:
    run(folder / "config.yaml", "--data", folder / "set", "--run", folder / "whole")
    rng = random.Random(0)
    cut = folder / "cut"
    arguments = command(folder / "config.yaml", "--data", folder / "set", "--run", cut)
    for _ in range(KILLS):
        status = stop_somewhere(rng, cut / "last.ckpt", arguments, signal.SIGKILL)
        assert status == -signal.SIGKILL
        torch.load(cut / "last.ckpt", weights_only=True)  # whole, and safe to read
        arguments = command("--resume", cut)
    run("--resume", cut)
    assert (cut / "model.safetensors").read_bytes() == (
        folder / "whole" / "model.safetensors"
    ).read_bytes()

    rows = [read_rows(folder / name / "metrics.csv") for name in ("whole", "cut")]
    timing = {"seconds", "data_wait"}
    whole, resumed = (
        [{key: row[key] for key in row if key not in timing} for row in part] for part in rows
    )
    assert resumed == whole
    assert not list(cut.glob(".*"))  # nothing half-written is left behind


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_first_and_the_status_tells(folder: Path, number: int) -> None:
    path = folder / f"signal-{number}"
    arguments = command(folder / "config.yaml", "--data", folder / "set", "--run", path)
    status = stop_somewhere(random.Random(1), path / "last.ckpt", arguments, number)
    assert status == 128 + number
    torch.load(path / "last.ckpt", weights_only=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
