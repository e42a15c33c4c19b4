"""The traced model is one clean ONNX file that computes what the detector computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, numpy_helper
from stirred_models import HEADS, stirred_model

from yolokit.export import onnx_model
from yolokit.export.graph import DetectorGraph
from yolokit.models.card import read_card
from yolokit.models.export_record import ExportRecord


@pytest.fixture(scope="module")
def traced() -> ModelProto:
    """The ``yolo`` head's, for one picture."""
    detector, card = stirred_model("yolo")
    return onnx_model.trace(DetectorGraph(detector), card.image_hw, dynamic=False)


def _shapes(values: object) -> dict[str, list[int | str]]:
    return {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in values  # type: ignore[attr-defined]
    }


def test_its_input_and_outputs(traced: ModelProto) -> None:
    cells = 4 * 6 + 2 * 3  # of 16 and 32 px, on 64x96
    assert _shapes(traced.graph.input) == {"images": [1, 64, 96, 3]}
    assert _shapes(traced.graph.output) == {"boxes": [1, cells, 4], "scores": [1, cells, 3]}
    assert traced.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_batch_norms_are_folded(traced: ModelProto) -> None:
    kinds = {node.op_type for node in traced.graph.node}
    assert "Conv" in kinds and "BatchNormalization" not in kinds


def test_nodes_are_named_by_their_module(traced: ModelProto) -> None:
    names = [node.name for node in traced.graph.node]
    modules = {name.partition("/")[0] for name in names}
    assert len(set(names)) == len(names)
    assert modules >= {"graph", "detector.head.one_to_many.box_towers.0.1"}
    assert any(name.startswith("detector.backbone.trunk.features.0/Conv") for name in names)


def test_it_tells_nothing_of_this_machine(traced: ModelProto, repository: Path) -> None:
    content = traced.SerializeToString()
    assert str(repository).encode() not in content
    assert b"stack_trace" not in content and b".py" not in content


def test_one_file_with_its_card(traced: ModelProto, tmp_path: Path) -> None:
    _, card = stirred_model("yolo")
    card = card.model_copy(update={"export": ExportRecord(format="onnx")})
    onnx_model.write(onnx_model.with_card(traced, card), tmp_path / "m.onnx")
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]
    metadata = onnxruntime.InferenceSession(tmp_path / "m.onnx").get_modelmeta()
    assert read_card(metadata.custom_metadata_map["yolokit"], "m") == card
    assert not traced.metadata_props


@pytest.mark.slow
def test_equal_weights_give_equal_bytes(traced: ModelProto) -> None:
    detector, card = stirred_model("yolo")
    again = onnx_model.trace(DetectorGraph(detector), card.image_hw, dynamic=False)
    assert again.SerializeToString(deterministic=True) == traced.SerializeToString(
        deterministic=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_every_head_computes_the_same_for_any_number_of_pictures(head: str) -> None:
    detector, card = stirred_model(head)
    model = onnx_model.trace(DetectorGraph(detector), card.image_hw, dynamic=True)
    onnx.checker.check_model(model, full_check=True)
    assert _shapes(model.graph.input)["images"] == ["batch", 64, 96, 3]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for count in (1, 3):
        pictures = np.random.default_rng(count).integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
        boxes, scores = session.run(["boxes", "scores"], {"images": pictures})
        with torch.inference_mode():
            expected = detector.decode(detector(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        np.testing.assert_allclose(boxes, expected.boxes.numpy(), atol=2e-3)
        np.testing.assert_allclose(scores, expected.scores.numpy(), atol=1e-5)


def test_the_mean_is_in_the_graph(traced: ModelProto) -> None:
    _, card = stirred_model("yolo")
    (mean,) = [each for each in traced.graph.initializer if each.name == "detector.mean"]
    np.testing.assert_allclose(
        numpy_helper.to_array(mean).ravel(), 255 * np.array(card.mean), rtol=1e-6
    )
