"""However a signal comes and whenever, a command ends with one line and 130 or 143."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolokit.synthesis.dataset import synthesise

TINY = ["quickstart", "-o", "model.backbone.weights=none", "-o", "data.image_size=64"]
TINY += ["-o", "train.batch_size=4", "--device", "cpu"]
# Runs the command with one of its own functions sending the signal where it begins.
PROBE = """
import importlib, os, sys
module, name, number, *arguments = sys.argv[1:]
target = importlib.import_module(module)
real = getattr(target, name)
def probe(*positional, **named):
    os.kill(os.getpid(), int(number))
    return real(*positional, **named)
setattr(target, name, probe)
from yolokit.__main__ import run
sys.argv = ["yolokit", *arguments]
sys.exit(run())
"""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, four to validate on."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


def probed(where: str, number: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    module, _, name = where.rpartition(".")
    command = [sys.executable, "-c", PROBE, module, name, str(int(number)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_saves_though_there_are_workers(
    shapes: Path, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "yolokit", "train", *TINY, "--data", str(shapes)]
    command += ["--run", str(run), "--epochs", "1000", "--workers", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    while process.stdout.readline().split()[:2] != ["epoch", "1/1000"]:  # the first is always told
        assert process.poll() is None
    os.killpg(process.pid, number)
    said = process.communicate(timeout=120)[1]
    assert said == f"stopped after saving. Continue with --resume {run}\n"
    assert process.returncode == 128 + number
    torch.load(run / "last.ckpt", weights_only=True)
    assert not list(run.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "number", "said", "left"),
    [
        ("yolokit.engine.reading.check_images", 2, "before the first batch", False),
        ("yolokit.engine.first_and_kept.build_detector", 15, "before the first batch", False),
        ("yolokit.engine.freezing.freeze_stages", 2, "before the first batch", False),
        ("yolokit.engine.validator.evaluate_backend", 2, "after saving. Continue with", True),
        ("yolokit.report.write.analyse", 15, "only the report is missing", True),
    ],
)
def test_a_signal_in_any_phase_of_a_training(
    where: str, number: int, said: str, left: bool, shapes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = probed(where, number, "train", *TINY, "--data", shapes, "--run", run, "--epochs", "2")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 128 + number
    assert (run / "last.ckpt").exists() == left
    assert not (run / "report.html").exists()


def test_a_signal_in_an_evaluation(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = ["eval", tiny_model, "--data", shapes, "--json", out, "--device", "cpu"]
    done = probed("yolokit.evaluation.evaluate.load_split", signal.SIGTERM, *arguments)
    assert (done.stderr, done.returncode) == ("stopped\n", 143)
    assert not out.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports(number: int, shapes: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "yolokit", "train", *TINY]
    process = subprocess.Popen(
        [*command, "--data", str(shapes)], stderr=subprocess.PIPE, text=True, cwd=shapes
    )
    assert process.stderr is not None
    while "torch._C" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    said = [line for line in process.stderr if not line.startswith("import time:")]
    assert said == ["stopped before the first batch; nothing was trained\n"]
    assert process.wait(timeout=60) == 128 + number
    assert not (shapes / "runs").exists()


def test_an_error_that_a_signal_was_made_into_is_the_signal(tiny_model: Path, shapes: Path) -> None:
    code = """
import sys
import yolokit.evaluation.evaluate as target
def swallows(*positional, **named):
    import os, signal
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        raise ValueError("could not determine the shape") from None
target.load_split = swallows
from yolokit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    arguments = ["eval", str(tiny_model), "--data", str(shapes), "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("stopped\n", 130)
