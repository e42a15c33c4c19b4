"""``yolokit train`` as a stranger types it: what is printed, and what can be done with it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from yolokit.cli.main import main
from yolokit.evaluation.metrics_text import class_table
from yolokit.models.model_file import load_model
from yolokit.scoring import evaluate
from yolokit.synthesis.dataset import synthesise

TINY = [
    *("-o", "model.backbone.weights=none", "-o", "model.backbone.name=squeezenet1_1"),
    *("-o", "data.image_size=64", "--workers", "0", "--device", "cpu"),
]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, four to validate on, two to test."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


def test_what_is_printed(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", "yolo_mobilenet_v2", "--data", str(shapes), "--epochs", "3", *TINY]
    assert main([*command, "-o", "model.backbone.trainable_stages=1"]) == 0
    captured = capsys.readouterr()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", captured.out + captured.err)
    opening, epochs, *_ = captured.out.split("\n\n")
    run = Path("runs/yolo_mobilenet_v2")

    detector, card = load_model(run / "model.safetensors")
    total = sum(each.numel() for each in detector.parameters())
    stages = detector.backbone.stages
    modules = [module for stage in stages[:-1] for module in stage]
    frozen = sum(each.numel() for module in modules for each in module.parameters())
    assert (
        f"{total / 1e6:.3g} million parameters, {(total - frozen) / 1e6:.3g} million learn ("
        in (opening)
    )
    assert f"the top 1 of {len(stages)} stages" in opening
    chosen = re.search(r"^auto    (.*?)^run", opening, flags=re.M | re.S)
    assert chosen and "batch_size 8" in chosen[1] and "trainable_stages" not in chosen[1]
    assert "run     3 epochs, seed 0, on cpu, in runs/yolo_mobilenet_v2" in opening

    lines = epochs.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    best = [number for number, line in enumerate(lines, 1) if line.endswith("best")][-1]
    assert f"kept is epoch {best}, the best of 3 that were scored" in captured.out
    assert card.metrics["epoch"] == best

    metrics = evaluate(run, data=shapes, device="cpu")
    assert f"\n\n{class_table(metrics)}\n\n" in captured.out
    assert "model   runs/yolo_mobilenet_v2/model.safetensors  (" in captured.out
    assert "report  runs/yolo_mobilenet_v2/report.html\n" in captured.out


def test_the_next_commands_can_be_typed(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "a run"
    command = ["train", "yolo_mobilenet_v2", "--data", str(shapes), "--epochs", "1", *TINY]
    assert main([*command, "--run", str(run)]) == 0
    said = capsys.readouterr().out
    *_, first, second = said.splitlines()
    assert first.startswith("next    yolokit detect ") and second.startswith(
        "        yolokit eval "
    )
    assert main([*shlex.split(first)[2:], "--out", str(tmp_path / "found"), "-q"]) == 0
    assert len(list((tmp_path / "found").iterdir())) == 1
    assert main(shlex.split(second)[1:]) == 0
    assert "all, 2 images" in capsys.readouterr().out


def test_json_says_where_the_model_lies_and_what_it_scores(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", "yolo_mobilenet_v2", "--data", str(shapes), "--epochs", "1", *TINY]
    assert main([*command, "--run", str(run), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"] == str(run / "model.safetensors") and Path(said["report"]).is_file()
    assert (said["epochs"], said["kept_epoch"]) == (1, 1)
    assert said["scores"] == evaluate(run, data=shapes, device="cpu").to_dict()
    assert main(["train", "--resume", str(run), "--epochs", "2", "--device", "cpu", "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_two_lengths_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "yolo_mobilenet_v2", "--epochs", "2", "--time-budget", "2m"]
    assert main(command) == 2
    assert "not both" in capsys.readouterr().err
