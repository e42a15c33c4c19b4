"""Two processes on one machine train one model and score it as one process does."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from yolokit.synthesis.dataset import synthesise

CONFIG = """
model:
  head: {type: yolov1, grid_size: 4, channels: 32}
  backbone: {name: squeezenet1_1, weights: none, lr_factor: 1.0, trainable_stages: 1,
             unfreeze_epoch: 1}
data: {image_size: 96}
train: {epochs: 6, batch_size: 8, workers: 0, lr: 0.003}
"""


@pytest.mark.slow
def test_two_cpu_ranks_score_each_picture_once(repository: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "set", tmp_path / "run"
    # 21 validation pictures: two batches for one rank, one short one for the other.
    synthesise(data, images=(40, 21, 1), size_hw=(96, 96), classes=2, seed=4, video=False)
    (tmp_path / "config.yaml").write_text(CONFIG)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--"]
    train = [repository / "tools/train.py", tmp_path / "config.yaml", "--data", data, "--run", run]
    done = subprocess.run(
        [*launch, *map(str, train), "--device", "cpu"], capture_output=True, text=True, check=False
    )
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
