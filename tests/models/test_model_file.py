"""A model file is whole, the same for the same weights, and says what is wrong with itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_file import load_model, save_model

TREE = {
    "head": {"type": "yolov1", "grid_size": 3, "channels": 16},
    "backbone": {"name": "resnet18", "weights": "none"},
}


def _card(**changes: Any) -> ModelCard:
    fields: dict[str, Any] = {
        "model": ModelConfig.model_validate(TREE),
        "class_names": ["cat", "dog", "ñandú"],
        "category_ids": [17, 3, 90],
        "image_hw": (64, 96),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "metrics": {"AP50": 0.5, "AP": None},
    }
    return ModelCard.model_validate({**fields, **changes})


@pytest.fixture
def detector(make_detector: Any) -> Detector:
    made: Detector = make_detector("resnet18")
    made.train()(torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8))  # statistics move
    return made.eval()


@pytest.fixture
def saved(detector: Detector, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, detector, _card())
    return path


def test_what_is_loaded_computes_the_same(detector: Detector, saved: Path) -> None:
    loaded, card = load_model(saved)
    assert card == _card()
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        expected, got = detector(images)[0], loaded(images)[0]
    assert not loaded.training
    assert torch.equal(expected.box_codes, got.box_codes)
    assert torch.equal(expected.classes, got.classes)


def test_equal_weights_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    first = saved.read_bytes()
    for name in ("again.safetensors", "elsewhere.safetensors"):
        loaded, card = load_model(saved)
        save_model(tmp_path / name, loaded, card)
        assert (tmp_path / name).read_bytes() == first


def test_a_run_folder_stands_for_its_model(saved: Path) -> None:
    assert load_model(saved.parent)[1] == _card()


def test_loading_leaves_random_numbers_alone(saved: Path) -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    load_model(saved)
    assert torch.equal(torch.rand(3), expected)


def test_a_failed_save_leaves_the_old_file(
    saved: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full_disk(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(saved, detector, _card())
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == ["model.safetensors"]


def test_the_weights_file_is_named_without_its_folder(detector: Detector, tmp_path: Path) -> None:
    tree = {**TREE, "backbone": {"name": "resnet18", "weights": str(tmp_path / "secret/r18.pth")}}
    save_model(tmp_path / "m.safetensors", detector, _card(model=ModelConfig.model_validate(tree)))
    assert b"secret" not in (tmp_path / "m.safetensors").read_bytes()
    assert load_model(tmp_path / "m.safetensors")[1].model.backbone.weights == "r18.pth"


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _junk(path: Path) -> None:
    path.write_bytes(b"junk" * 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)


def _rewrite_card(path: Path, **changes: Any) -> None:
    state = safetensors.torch.load_file(path)
    card = {**json.loads(_card().model_dump_json()), **changes}
    safetensors.torch.save_file(state, path, {"yolokit": json.dumps(card)})


def _newer(path: Path) -> None:
    _rewrite_card(path, format=3)


def _other_classes(path: Path) -> None:
    _rewrite_card(path, class_names=["one"], category_ids=[1])


def _id_missing(path: Path) -> None:
    _rewrite_card(path, category_ids=[1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "no model file"),
        (_truncate, "cannot read model"),
        (_junk, "cannot read model"),
        (_empty, "cannot read model"),
        (_foreign, "was not written by yolokit"),
        (_newer, "does not know"),
        (_other_classes, "do not fit the model"),
        (_id_missing, "names 3 classes but 1 category ids"),
    ],
)
def test_unusable_files_are_refused_in_one_line(saved: Path, spoil: Any, message: str) -> None:
    spoil(saved)
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value) and str(saved) in str(caught.value)


def _with(path: Path, name: str, change: Any) -> None:
    state = safetensors.torch.load_file(path)
    state[name] = change(state[name])
    safetensors.torch.save_file(state, path, {"yolokit": _card().model_dump_json()})


WEIGHT, VARIANCE = "backbone.trunk.conv1.weight", "backbone.trunk.bn1.running_var"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (WEIGHT, lambda t: t.fill_(float("nan")), f"hold NaN: {WEIGHT}"),
        (WEIGHT, lambda t: t.fill_(float("-inf")), f"hold infinity: {WEIGHT}"),
        (VARIANCE, lambda t: -t - 1, f"hold a negative variance: {VARIANCE}"),
        (WEIGHT, lambda t: t.to(torch.int8), "hold int8 numbers where torch.float32 belong"),
        (WEIGHT, lambda t: t > 0, "hold bool numbers where torch.float32 belong"),
    ],
)
def test_weights_that_cannot_be_computed_with_are_refused(
    saved: Path, name: str, change: Any, message: str
) -> None:
    """They used to load, find nothing and score 0.000."""
    _with(saved, name, change)
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value) and str(saved) in str(caught.value)


def test_a_head_larger_than_its_file_is_refused_before_it_takes_memory(
    saved: Path,
) -> None:
    """Fully connected, 64x64 cells, 16 boxes, 25,000 classes: 0.2 TB."""
    head = {"type": "yolov1", "variant": "fc", "grid_size": 64, "boxes_per_cell": 16}
    card = json.loads(_card().model_dump_json())
    card["model"]["head"] = head
    card["class_names"], card["category_ids"] = ["x"] * 25_000, list(range(25_000))
    safetensors.torch.save_file(
        safetensors.torch.load_file(saved), saved, {"yolokit": json.dumps(card)}
    )
    with pytest.raises(
        WeightsError, match=r"cannot be built: its head has \d{11} numbers"
    ) as caught:
        load_model(saved)
    assert str(saved) in str(caught.value)


def test_a_backbone_that_does_not_exist_is_named(saved: Path) -> None:
    card = json.loads(_card().model_dump_json())
    card["model"]["backbone"]["name"] = "resnet19"
    safetensors.torch.save_file(
        safetensors.torch.load_file(saved), saved, {"yolokit": json.dumps(card)}
    )
    with pytest.raises(WeightsError, match=r"describes a model that cannot be built: .*resnet19"):
        load_model(saved)


def test_weights_in_half_precision_load(saved: Path) -> None:
    _with(saved, WEIGHT, lambda t: t.half())
    detector, _ = load_model(saved)
    assert detector.get_parameter(WEIGHT).dtype == torch.float32


@pytest.mark.parametrize("name", ["last.ckpt", "weights.pt", "weights.pth"])
def test_training_states_are_not_models(tmp_path: Path, name: str) -> None:
    torch.save({"state_dict": {}}, tmp_path / name)
    with pytest.raises(WeightsError, match=r"Give the run's model\.safetensors"):
        load_model(tmp_path / name)
