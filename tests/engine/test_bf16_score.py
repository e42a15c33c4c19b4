"""What a training says of its model in bfloat16, and that saying it cannot cost the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import yolokit
from yolokit.cli.main import main
from yolokit.config_file import validate_config
from yolokit.data.locate import locate_splits
from yolokit.engine import bf16_score
from yolokit.engine.validator import Validator
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.inference import torch_backend
from yolokit.inference.predictor import Predictor
from yolokit.models.card import ModelCard
from yolokit.models.model_file import load_model
from yolokit.synthesis.dataset import synthesise


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, five to validate on."""
    folder = tmp_path_factory.mktemp("bf16") / "set"
    synthesise(folder, images=(8, 5, 1), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


def train(data: Path, run: Path, *, val: bool = True) -> Path:
    splits = {name: split.model_dump() for name, split in locate_splits(data).items() if split}
    tree = {
        "model": {
            "head": {"type": "yolov1", "grid_size": 4, "channels": 16},
            "backbone": {"name": "squeezenet1_1", "weights": "none"},
        },
        "data": {"image_size": 64, **splits, **({} if val else {"val": None})},
        "train": {"epochs": 1, "batch_size": 4, "workers": 0, "precision": "32", "lr": 0.001},
    }
    return yolokit.train(validate_config(tree, "test"), run=run, device="cpu")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that is faster in bfloat16, and for models however bad."""
    monkeypatch.setattr(bf16_score, "is_scored_in_bf16", lambda _device: True)
    monkeypatch.setattr(bf16_score, "TELLING_AP", 0.0)


def test_elsewhere_nothing_is_scored(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bf16_score, "is_scored_in_bf16", lambda _device: False)
    _, card = load_model(train(shapes, tmp_path / "run"))
    assert "AP_bf16" not in card.metrics


@pytest.mark.usefixtures("fast")
def test_the_score_in_bf16_stands_in_the_file_and_weights_stay(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = train(shapes, tmp_path / "run")
    detector, card = load_model(run)
    own = yolokit.evaluate(
        Predictor.load(run, device="cpu", precision="bf16"), data=shapes, split="val"
    )
    assert card.metrics["AP_bf16"] == own.AP
    assert f"bf16    AP {own.AP:.4f}" in capsys.readouterr().out
    monkeypatch.setattr(bf16_score, "is_scored_in_bf16", lambda _device: False)
    plain, _ = load_model(train(shapes, tmp_path / "plain"))
    for name, weights in plain.state_dict().items():
        assert torch.equal(weights, detector.state_dict()[name]), name


@pytest.mark.usefixtures("fast")
def test_a_model_that_finds_next_to_nothing_has_no_ap_to_lose(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bf16_score, "TELLING_AP", 1.0)
    _, card = load_model(train(shapes, tmp_path / "run"))
    assert "AP_bf16" not in card.metrics
    assert "bf16    AP" not in capsys.readouterr().out


@pytest.mark.usefixtures("fast")
def test_it_is_scored_in_32_bits_though_it_detects_in_bf16(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ``eval`` and from Python alike, unless bf16 is asked for."""
    run = train(shapes, tmp_path / "run")
    monkeypatch.setattr(ModelCard, "keeps_ap_in_bf16", True)
    monkeypatch.setattr(torch_backend, "computes_bf16", lambda: True)
    assert yolokit.load(run, device="cpu").backend.description.endswith("in bf16")
    used: list[str] = []
    load = Predictor.load

    def noted(*given: Any, **named: Any) -> Predictor:
        predictor = load(*given, **named)
        used.append(predictor.backend.description.rpartition(" ")[2])
        return predictor

    monkeypatch.setattr(Predictor, "load", noted)
    yolokit.evaluate(run, data=shapes, device="cpu")
    assert main(["eval", str(run), "--data", str(shapes), "--device", "cpu"]) == 0
    yolokit.evaluate(run, data=shapes, device="cpu", precision="bf16")
    assert used == ["cpu", "cpu", "bf16"]


@pytest.mark.usefixtures("fast")
def test_without_validation_pictures_there_is_no_score(shapes: Path, tmp_path: Path) -> None:
    _, card = load_model(train(shapes, tmp_path / "run", val=False))
    assert card.metrics == {"epoch": 1}


@pytest.mark.usefixtures("fast")
def test_a_score_that_fails_is_said_and_costs_nothing(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failing(_self: Validator, _backend: object) -> CocoMetrics:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Validator, "score_backend", failing)
    run = train(shapes, tmp_path / "run")
    assert "could not be scored in bf16: RuntimeError: no memory" in capsys.readouterr().err
    _, card = load_model(run)
    assert card.metrics["AP"] is not None and "AP_bf16" not in card.metrics
    assert (run / "report.html").is_file()
