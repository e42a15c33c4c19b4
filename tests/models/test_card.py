"""A card from a stranger is refused in one line, before anything is built."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from yolokit.errors import WeightsError
from yolokit.models.card import ModelCard, read_card

FIELDS: dict[str, Any] = {
    "model": {"backbone": {"name": "resnet18", "weights": "none"}},
    "class_names": ["cat", "ñandú"],
    "category_ids": [17, 3],
    "image_hw": [64, 96],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def test_a_card_comes_back_as_it_was_written() -> None:
    card = ModelCard.model_validate(FIELDS)
    assert read_card(card.model_dump_json(), "m") == card


EXPORT: dict[str, Any] = {
    "format": "openvino",
    "precision": "int8",
    "dynamic": True,
    "nms": {"iou_threshold": 0.65, "score_threshold": 0.001, "max_detections": 100},
    "parity": {
        "pictures": 12,
        "source": "val",
        "boxes": 340,
        "score_difference": 0.0004,
        "lowest_iou": 0.998,
    },
    "ap_before": 0.412,
    "ap_after": 0.408,
    "ap_split": "val",
    "weights_fingerprint": "0af3",
    "versions": {"openvino": "2026.2.0"},
}


def test_a_card_tells_how_an_exported_file_came_about() -> None:
    card = ModelCard.model_validate({**FIELDS, "export": EXPORT})
    assert read_card(card.model_dump_json(), "m") == card
    assert card.export is not None and card.export.nms is not None
    assert (card.export.precision, card.export.nms.max_detections) == ("int8", 100)
    assert not card.export.one_to_one


def test_a_network_of_vgg16s_size_has_its_place_in_the_card() -> None:
    export = {"format": "onnx", "parameters": 138_357_544, "gflops": 30.94}  # torchvision's figures
    record = ModelCard.model_validate({**FIELDS, "export": export}).export
    assert record is not None and record.size == (138_357_544, 30.94)


def test_what_a_later_version_says_of_an_export_is_ignored() -> None:
    text = json.dumps({**FIELDS, "export": {"format": "onnx", "sparsity": 0.5}})
    export = read_card(text, "m").export
    assert export is not None and (export.precision, export.parity) == ("f32", None)


def test_a_card_of_an_older_version_is_read() -> None:
    card = read_card(json.dumps({**FIELDS, "yolokit_version": "0.0.1", "note": 1}), "m")
    assert (card.image_hw, card.predict.max_detections) == ((64, 96), 100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_hw": [20_000, 96]}, "image_hw.0: Input should be less than or equal to 16384"),
        ({"image_hw": [16_000, 16_000]}, "an input of 16000x16000 px is too large"),
        ({"image_hw": [0, 96]}, "image_hw.0"),
        ({"std": [0.2, 0, 0.2]}, "std.1: Input should be greater than 0"),
        ({"std": [0.2, float("nan"), 0.2]}, "std.1"),
        ({"mean": [float("inf"), 0, 0]}, "mean.0: Input should be a finite number"),
        (
            {"model": {"head": {"type": "yolov1", "channels": 10**9}}},
            "less than or equal to 16384",
        ),
        ({"model": {"head": {"type": "yolo", "width": 100_000}}}, "less than or equal to 4096"),
        ({"class_names": [], "category_ids": []}, "class_names"),
        ({"class_names": ["x"] * 30_000, "category_ids": [1] * 30_000}, "class_names"),
        ({"category_ids": [1]}, "it names 2 classes but 1 category ids"),
        ({"category_ids": [7, 7]}, "two classes have one category id"),
        ({"category_ids": [1, 2**70]}, "category_ids.1"),
        ({"class_names": ["a", "\x1b[2J"]}, "control characters"),
        ({"class_names": ["a", "\x00"]}, "control characters"),
        ({"class_names": ["a", "\u202eb"]}, "control characters"),
        ({"yolokit_version": "\x1b]0;x\x07"}, "control characters"),
        ({"format": 3}, "format"),
        ({"export": {**EXPORT, "format": "coreml"}}, "export.format"),
        ({"export": {**EXPORT, "ap_after": 41.2}}, "export.ap_after"),
        ({"export": {**EXPORT, "ap_after": float("nan")}}, "export.ap_after"),
        ({"export": {**EXPORT, "weights_fingerprint": "\x1b[2J"}}, "export.weights_fingerprint"),
        ({"export": {**EXPORT, "versions": {"onnx": "\x1b[2J"}}}, "export.versions"),
        (
            {"export": {**EXPORT, "nms": {**EXPORT["nms"], "max_detections": 10**9}}},
            "export.nms.max_detections",
        ),
        ({"format": 2, "model": {"head\x1b[31m": 1}}, "model.head"),
    ],
)
def test_a_hostile_card_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_card(json.dumps({**FIELDS, **changes}), "m.safetensors")
    said = str(caught.value)
    assert said.startswith("m.safetensors describes its model in a way") and message in said
    assert said.isprintable() and len(said) < 500


@pytest.mark.parametrize(
    "text", ["", "[", "[" * 100_000, "null", '{"format": ' + "9" * 5000, " " * 20_000_000]
)
def test_what_is_no_card_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_card(text, "m.safetensors")
    assert str(caught.value).isprintable()


def test_names_of_training_data_never_cost_the_model() -> None:
    """What a terminal obeys becomes a replacement character: the file can be read again."""
    names = ["a\x1b[2Jb", "half \ud800", "two\nlines"]
    card = ModelCard.model_validate({**FIELDS, "class_names": names, "category_ids": [1, 2, 3]})
    assert card.class_names == ["a\ufffd[2Jb", "half \ufffd", "two\nlines"]
    assert read_card(card.model_dump_json(), "m") == card


def test_it_needs_no_torch() -> None:
    code = "import sys, yolokit.models.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
