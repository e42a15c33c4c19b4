"""Two processes on one machine train one model and score it as one process does."""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from yolokit.engine.run_folder import RunFolder
from yolokit.synthesis.dataset import synthesise

CONFIG = """
model:
  head: {type: yolov1, grid_size: 4, channels: 32}
  backbone: {name: squeezenet1_1, weights: none, lr_factor: 1.0, trainable_stages: 1,
             unfreeze_epoch: 1}
data: {image_size: 96}
train:
  epochs: 6
  batch_size: 8
  workers: 0
  lr: 0.003
"""


def in_two_ranks(*words: object) -> subprocess.CompletedProcess[str]:
    """A script and its arguments, started by torchrun as two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--"]
    return subprocess.run([*launch, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_cpu_ranks_score_each_picture_once(repository: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "set", tmp_path / "run"
    # 21 validation pictures: two batches for one rank, one short one for the other.
    synthesise(data, images=(40, 21, 1), size_hw=(96, 96), classes=2, seed=4, video=False)
    (tmp_path / "config.yaml").write_text(CONFIG)
    train = [repository / "tools/train.py", tmp_path / "config.yaml", "--data", data, "--run", run]
    done = in_two_ranks(*train, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 6/6") == 1  # one rank speaks
    assert "cpu x2" in done.stdout

    out = tmp_path / "out.json"
    score = ["eval", run, "--data", data, "--split", "val", "--json", out, "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "yolokit", *map(str, score)], check=True)
    with (run / "metrics.csv").open(newline="") as file:
        best = max(float(row["AP"]) for row in csv.DictReader(file))
    assert best > 0
    assert json.loads(out.read_text())["AP"] == best
    report = (run / "report.html").read_text(encoding="utf-8")  # the first rank's, of all pictures
    assert f"AP {best:.3f} and AP50" in report and "on 21 validation pictures" in report


# One rank of a training whose second rank's clock goes three times as fast as the first's.
ONE_RANK = """
import os, sys
from pathlib import Path
import torch
from yolokit.config_file import load_config
from yolokit.engine import validation
from yolokit.engine.module import DetectionModule
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Clock
from yolokit.engine.training import fit
from yolokit.models.detector import Detector
from yolokit.signals import SignalWatch

config, folder = Path(sys.argv[1]), Path(sys.argv[2])
rank, seconds = int(os.environ["RANK"]), 0.0
forward = Detector.forward

def timed(detector, images):
    global seconds
    seconds += 1.0 + 2.0 * rank
    return forward(detector, images)

def leave_weights(module):
    weights = {name: each.detach() for name, each in module.detector.named_parameters()}
    state = {"weights": weights, "steps": module.trainer.global_step, "seconds": seconds}
    torch.save(state, folder.with_name(f"{rank}.pt"))

Detector.forward, DetectionModule.on_train_end = timed, leave_weights
validation.is_scored_in_bf16 = lambda device: False  # as long a reserve on any processor
clock = Clock(now=lambda: seconds)
with SignalWatch() as signals:
    fit(load_config(config), RunFolder(folder), device="cpu", signals=signals,
        clock=clock)
"""


@pytest.mark.slow
def test_ranks_whose_clocks_differ_train_the_same_weights(tmp_path: Path) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(24, 4, 1), size_hw=(96, 96), classes=2, seed=4, video=False)
    splits = "".join(
        f"  {split}: {{images: {data}/images/{split}, "
        f"annotations: {data}/annotations/instances_{split}.json}}\n"
        for split in ("train", "val")
    )
    (tmp_path / "config.yaml").write_text(
        CONFIG.replace("data: {image_size: 96}\n", f"data:\n  image_size: 96\n{splits}")
        + "  time_budget: 60\n  start_size: 0.5\naugment: {multi_scale: 0.3}\n"
    )
    (tmp_path / "one_rank.py").write_text(ONE_RANK)
    done = in_two_ranks(tmp_path / "one_rank.py", tmp_path / "config.yaml", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["steps"] == second["steps"]
    assert first["seconds"] < 60 < second["seconds"]  # the second's own clock would have ended it
    drift = max(
        float((first["weights"][name] - weight).abs().max())
        for name, weight in second["weights"].items()
    )
    assert drift == 0


# The command in one rank of a training. The second begins late, as a busy machine's does; where the
# first argument says so both get SIGTERM in their third step, as from SLURM.
LATE_RANK = """
import os, signal, sys, time
from yolokit.cli.main import main
from yolokit.engine.module import DetectionModule

step = DetectionModule.training_step

def stopped(module, batch, index):
    if module.trainer.global_step == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return step(module, batch, index)

if sys.argv[1] == "stop":
    DetectionModule.training_step = stopped
time.sleep(4.0 * int(os.environ["RANK"]))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_ranks_that_begin_apart_end_and_go_on_together(tmp_path: Path) -> None:
    data, run = tmp_path / "set", tmp_path / "run"
    synthesise(data, images=(24, 4, 1), size_hw=(96, 96), classes=2, seed=4, video=False)
    logger = "tensorboard: true" if find_spec("tensorboard") else ""
    (tmp_path / "config.yaml").write_text(f"{CONFIG}  {logger}\n")
    (tmp_path / "rank.py").write_text(LATE_RANK)

    def train(end: str, *options: object) -> subprocess.CompletedProcess[str]:
        return in_two_ranks(tmp_path / "rank.py", end, "train", *options, "--device", "cpu")

    done = train("stop", tmp_path / "config.yaml", "--data", data, "--run", run)
    assert done.returncode != 0
    assert done.stderr.count(f"stopped after saving. Continue with --resume {run}") == 1, (
        done.stderr
    )
    assert not [line for line in done.stderr.splitlines() if line == "stopped"]
    assert RunFolder(run).checkpoint.exists()

    done = train("go on", "--resume", run, "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 3/3") == 1
    # The late rank finds the length that the run had, though the first has a longer one to write.
    done = train("go on", "--resume", run, "--epochs", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 4/4") == 1
    if logger:  # one rank logs: a file for each of the three sessions
        assert len(list((run / "tensorboard").glob("events*"))) == 3
