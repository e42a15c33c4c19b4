"""A trained model begins another training: what fits is taken, classes by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import yolokit
from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.model_file import load_model, save_model
from yolokit.models.transfer import build_from
from yolokit.synthesis.dataset import synthesise

HEADS = {
    "yolov1": {"type": "yolov1", "grid_size": 3, "channels": 8},
    "fc": {"type": "yolov1", "grid_size": 3, "channels": 8, "variant": "fc"},
    "yolo": {"type": "yolo", "width": 16},
    "once": {"type": "yolo", "width": 16, "one_to_one": True},
}


def config(head: str, backbone: str = "squeezenet1_1") -> ModelConfig:
    tree = {"head": HEADS[head], "backbone": {"name": backbone, "weights": "none"}}
    return ModelConfig.model_validate(tree)


def saved(path: Path, part: ModelConfig, names: list[str]) -> Path:
    torch.manual_seed(1)
    detector = build_detector(part, num_classes=len(names), image_hw=(64, 64))
    card = ModelCard(
        model=part,
        class_names=names,
        category_ids=list(range(len(names))),
        image_hw=(64, 64),
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
    )
    save_model(path, detector, card)
    return path


@pytest.mark.parametrize("head", HEADS)
def test_classes_change_places_by_their_names(head: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.safetensors", config(head), ["red", "white", "blue"])
    old, _ = load_model(model)
    new, line = build_from(model, config(head), ["blue", "green", "red"], (64, 64))
    assert "backbone" in line and "head" in line
    assert "classes blue, red; new classes green" in line
    assert new.backbone.mean == (0.1, 0.2, 0.3)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 255
    with torch.no_grad():
        before, after = old(images), new.eval()(images)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one.box_codes, other.box_codes)
        assert torch.allclose(one.classes[..., [2, 0]], other.classes[..., [0, 2]], atol=1e-5)
        assert not torch.allclose(one.classes[..., 1], other.classes[..., 1])


def test_another_backbone_leaves_the_head_what_fits(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.safetensors", config("yolo"), ["a"])
    _, line = build_from(model, config("yolo", "resnet18"), ["a"], (64, 64))
    assert "nothing of the backbone" in line
    assert line.count("\n") == 0


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.safetensors", config("yolo"), ["a"])
    with pytest.raises(WeightsError, match=r"nothing in .* fits"):
        build_from(model, config("yolov1", "resnet18"), ["a"], (64, 64))


def test_training_from_a_model_needs_no_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    model = saved(tmp_path / "m.safetensors", config("yolov1"), ["red", "white"])
    run = yolokit.train(
        from_model=model,
        data=data,
        run=tmp_path / "run",
        overrides=["train.epochs=1", "train.batch_size=4"],
        device="cpu",
    )
    assert capsys.readouterr().out.count(f"from    {model}: backbone, head") == 1
    assert load_model(run)[1].model.head == config("yolov1").head
