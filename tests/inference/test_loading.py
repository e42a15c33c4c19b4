"""What a path is decides what runs it; a predictor does not know the difference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_files import CATEGORY_IDS, HW, NMS, by_hand, make_card, write_onnx, write_openvino

import yolokit
from yolokit.data.prepare import prepare_image
from yolokit.errors import ConfigError, WeightsError
from yolokit.inference.loading import load_backend, scoring_precision
from yolokit.inference.postprocess import select_detections
from yolokit.models.model_file import load_model
from yolokit.models.model_path import model_file


@pytest.mark.parametrize(
    ("written", "opened", "library"),
    [
        ("cells.onnx", "cells.onnx", "onnxruntime"),
        ("cells.ONNX", "cells.ONNX", "onnxruntime"),
        ("cells_openvino", "cells_openvino", "openvino"),
        ("cells_openvino", "cells_openvino/model.xml", "openvino"),
        ("cells_openvino", "cells_openvino/model.bin", "openvino"),
        ("any.name", "any.name", "openvino"),
    ],
)
def test_the_kind_of_file_chooses_the_library(
    tmp_path: Path, written: str, opened: str, library: str
) -> None:
    onnx = written.lower().endswith(".onnx")
    (write_onnx if onnx else write_openvino)(tmp_path / written)
    backend, card = load_backend(tmp_path / opened)
    assert backend.description.startswith(library)
    assert card.category_ids == CATEGORY_IDS


@pytest.mark.parametrize(
    "name", ["no.onnx", "no/model.xml", "no.xml", "no.bin", "no", "no.safetensors"]
)
def test_a_missing_file_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="no model file"):
        load_backend(tmp_path / name)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no model file .*model\.safetensors"):
        load_backend(tmp_path)


def test_weights_without_torch_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"anything")
    monkeypatch.delitem(sys.modules, "yolokit.inference.torch_backend", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match="needs PyTorch, which is not installed"):
        load_backend(path)


def test_there_are_three_precisions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="auto, f32 or bf16, got 'f8'"):
        load_backend(write_onnx(tmp_path / "cells.onnx"), precision="f8")  # type: ignore[arg-type]


def test_bf16_is_refused_where_nothing_computes_in_it(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "cells.onnx")
    with pytest.raises(ConfigError, match=r"does not compute .*cells\.onnx in bf16"):
        load_backend(path, precision="bf16")
    with pytest.raises(ConfigError, match="is not computed in bf16"):
        load_backend(Path("torchvision:ssd300_vgg16"), precision="bf16")


def test_a_training_is_scored_in_32_bits_and_an_export_as_it_runs(tmp_path: Path) -> None:
    exported = write_onnx(tmp_path / "cells.onnx")
    assert scoring_precision(exported, "auto") == "auto"
    assert scoring_precision(tmp_path / "model.safetensors", "auto") == "f32"
    assert scoring_precision(tmp_path, "auto") == "f32"
    assert scoring_precision(tmp_path, "bf16") == "bf16"


@pytest.mark.parametrize("name", ["cells.onnx", "cells_openvino", "cells_openvino/model.xml"])
def test_nothing_can_be_trained_from_an_exported_model(tmp_path: Path, name: str) -> None:
    if name == "cells.onnx":
        write_onnx(tmp_path / name)
    else:
        write_openvino(tmp_path / "cells_openvino")
    for read in (load_model, model_file):
        with pytest.raises(WeightsError, match=r"exported model.*model\.safetensors it was made"):
            read(tmp_path / name)


@pytest.fixture(params=["onnx", "openvino"])
def predictor(request: pytest.FixtureRequest, tmp_path: Path) -> yolokit.Predictor:
    kind: str = request.param
    card = make_card(format=kind)
    write: Any = write_onnx if kind == "onnx" else write_openvino
    return yolokit.load(write(tmp_path / f"cells.{kind}", card), precision="f32")


def test_nobody_looks_into_an_exported_model(tmp_path: Path) -> None:
    model = yolokit.load(write_onnx(tmp_path / "cells.onnx", make_card()))
    with pytest.raises(WeightsError, match=r"exported model.* Give the model\.safetensors"):
        _ = model.explain


def test_a_prediction_is_that_of_the_arithmetic(predictor: yolokit.Predictor) -> None:
    """Pictures of three sizes in one step, through letterbox and suppression."""
    rng = np.random.default_rng(1)
    sizes = [HW, (37, 120), (200, 50)]
    images = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in sizes]
    results = predictor.predict(images, conf=0.45)
    for image, result in zip(images, results, strict=True):
        prepared, letterbox = prepare_image(image, HW)
        (expected,) = select_detections(
            by_hand(prepared[None]),
            [letterbox],
            score_threshold=0.45,
            iou_threshold=0.65,
            max_detections=100,
        )
        assert len(expected)
        np.testing.assert_array_equal(result.labels, expected.labels)
        np.testing.assert_array_equal(result.boxes, expected.boxes)
        np.testing.assert_allclose(result.scores, expected.scores, atol=1e-6)


def suppressing(tmp_path: Path) -> yolokit.Predictor:
    return yolokit.load(write_onnx(tmp_path / "cells.onnx", make_card(nms=NMS)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"iou": 0.4}, "iou 0.4: boxes were suppressed at 0.5"),
        ({"conf": 0.2}, "conf 0.2: what scores no more than 0.25 was dropped"),
        ({"max_detections": 7}, "7 boxes: no more than 6 were kept"),
    ],
)
def test_what_was_suppressed_inside_cannot_be_asked_for(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    model = suppressing(tmp_path)
    objects = {"max_detections": "max_objects"}
    in_predict = {objects.get(name, name): value for name, value in asked.items()}
    for ask, words in ((model.predict, in_predict), (model.predict_images, asked)):
        with pytest.raises(ConfigError, match=said):
            ask([np.zeros((*HW, 3), np.uint8)], **words)


def test_the_same_or_less_than_was_suppressed_inside_can(tmp_path: Path) -> None:
    image = np.zeros((*HW, 3), dtype=np.uint8)
    image[:16, :16] = 255, 204, 153
    (result,) = suppressing(tmp_path).predict([image], conf=0.7, iou=0.5, max_objects=1)
    assert (result.names, result.boxes.tolist()) == (["red"], [[0, 0, 16, 16]])
    (result,) = suppressing(tmp_path).predict([image], classes=["blue", "green"])
    assert result.names == ["green", "blue"]
