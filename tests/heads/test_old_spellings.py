"""Sections as they were written before each head had its own."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from yolokit.config import ModelConfig
from yolokit.heads.old_spellings import nest_head, todays_spellings
from yolokit.models.build import build_detector
from yolokit.models.model_file import load_model

# As yolokit 0.1.0 wrote them at commit 8c7744a.
OLD_CARD = """{"format":1,"yolokit_version":"0.1.0","model":{"head":"yolov1","backbone":{"name":
"squeezenet1_1","weights":"none","trainable_stages":"all","freeze_batch_norm":false,
"unfreeze_epoch":null,"lr_factor":0.1},"grid_size":3,"boxes_per_cell":1,"head_variant":"fc",
"head_channels":24,"head_dropout":0.25,"strides":[8,16,32],"width":96,"tower_depth":2,
"separable":false,"bins":16,"one_to_one":false},"predict":{"iou_threshold":0.65,
"eval_score_threshold":0.001,"max_detections":100},"class_names":["cat","dog"],
"category_ids":[7,3],"image_hw":[64,96],"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],
"data_fingerprint":"77","metrics":{"epoch":1,"AP":0.5,"AP50":null}}"""
OLD_YOLO = {"head": "yolo", "strides": [16], "width": 16, "bins": 8, "grid_size": 7}
TODAYS: dict[str, Any] = {
    "type": "yolov1",
    "grid_size": 3,
    "boxes_per_cell": 1,
    "variant": "fc",
    "channels": 24,
    "dropout": 0.25,
}


def test_an_old_card_is_nested() -> None:
    old = json.loads(OLD_CARD)["model"]
    assert nest_head(old) == {"head": TODAYS, "backbone": old["backbone"]}
    assert nest_head(OLD_YOLO) == {
        "head": {"type": "yolo", "strides": [16], "width": 16, "bins": 8}
    }


def test_without_a_head_the_old_default_is_meant() -> None:
    assert nest_head({"head_channels": 24}) == {"head": {"type": "yolov1", "channels": 24}}


def test_what_is_no_head_of_ours_is_left_to_the_validation() -> None:
    assert nest_head({"head": "other", "width": 3}) == {"head": "other", "width": 3}


def test_an_old_model_file_predicts_as_it_did(tmp_path: Path) -> None:
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    config = ModelConfig.model_validate({"head": TODAYS, "backbone": backbone})
    detector = build_detector(config, num_classes=2, image_hw=(64, 96)).eval()
    path = tmp_path / "model.safetensors"
    state = {name: value.contiguous() for name, value in detector.state_dict().items()}
    safetensors.torch.save_file(state, path, {"yolokit": OLD_CARD})
    loaded, card = load_model(path)
    assert card.model.head == config.head and card.metrics["AP"] == 0.5
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(loaded(images)[0].box_codes, detector(images)[0].box_codes)


@pytest.mark.parametrize(
    ("tree", "moved"),
    [
        ({"model": {"head": "yolo"}}, {}),
        ({"model": {"head": {"type": "yolo", "width": 9}, "backbone": {}}}, {}),
        ({"model": None, "loss": None}, {}),
        ({"model": {"bins": 9}}, {"model.bins": "model.head.bins"}),
        ({"loss": {"dfl": 1}}, {"loss.dfl": "model.head.loss.dfl"}),
    ],
)
def test_what_has_moved(tree: dict[str, Any], moved: dict[str, str]) -> None:
    assert todays_spellings(tree) == moved
