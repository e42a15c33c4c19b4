"""Suppression as an ONNX graph keeps what ``select_detections`` keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from yolokit.export.onnx_nms import nms_model, with_nms
from yolokit.inference.postprocess import select_detections
from yolokit.models.export_record import NmsRecord
from yolokit.ops.letterbox import fit_letterbox
from yolokit.types import DecodedArrays, Detections

HW = (96, 128)
Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def _record(iou: float = 0.65, score: float = 0.001, most: int = 20) -> NmsRecord:
    return NmsRecord(iou_threshold=iou, score_threshold=score, max_detections=most)


def _clustered(boxes: int, classes: int, pictures: int = 1, seed: int = 0) -> Arrays:
    """Boxes of a trained detector's kind: some objects, many guesses at each, most scores low."""
    rng = np.random.default_rng(seed)
    objects = rng.uniform(0, 80, (pictures, 6, 2))
    centres = objects[:, rng.integers(0, 6, boxes)] + rng.normal(0, 3, (pictures, boxes, 2))
    sides = rng.uniform(18, 30, (pictures, boxes, 2))
    corners = np.concatenate((centres - sides / 2, centres + sides / 2), -1)
    scores = rng.random((pictures, boxes, classes)) ** 6
    return corners.astype(np.float32), scores.astype(np.float32)


def _dense(pictures: int | str, boxes: int, classes: int) -> onnx.ModelProto:
    """A model whose outputs are its inputs."""
    shapes = {"boxes": [pictures, boxes, 4], "scores": [pictures, boxes, classes]}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"given_{name}"], [name]) for name in shapes],
        "dense",
        [info(f"given_{name}", TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _run(model: onnx.ModelProto, arrays: Arrays) -> list[NDArray[Any]]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [each.name for each in session.get_inputs()]
    return session.run(["boxes", "scores", "labels"], dict(zip(names, arrays, strict=True)))


def _expected(arrays: Arrays, nms: NmsRecord) -> list[Detections]:
    whole = fit_letterbox(HW, HW)
    return select_detections(
        DecodedArrays(*arrays),
        [whole] * len(arrays[0]),
        score_threshold=nms.score_threshold,
        iou_threshold=nms.iou_threshold,
        max_detections=nms.max_detections,
    )


def _check(found: list[NDArray[Any]], expected: list[Detections], nms: NmsRecord) -> None:
    boxes, scores, labels = found
    assert boxes.shape == (len(expected), nms.max_detections, 4)
    for picture, wanted in enumerate(expected):
        count = len(wanted)
        np.testing.assert_array_equal(labels[picture, :count], wanted.labels)
        np.testing.assert_array_equal(scores[picture, :count], wanted.scores)
        np.testing.assert_allclose(boxes[picture, :count], wanted.boxes, atol=1e-5)
        assert (labels[picture, count:] == -1).all()
        assert not scores[picture, count:].any() and not boxes[picture, count:].any()


@pytest.mark.parametrize(
    ("boxes", "classes", "nms"),
    [
        (300, 3, _record()),
        (300, 1, _record(iou=0.3, score=0.2, most=100)),
        (7, 2, _record(most=50)),  # more rows than candidates
        (300, 3, _record(iou=1.0, most=60)),  # a one-to-one head's
        (50, 3, _record(score=0.999)),  # nothing
        (40, 3, _record(iou=0.0)),
    ],
)
def test_it_keeps_what_ours_keeps(boxes: int, classes: int, nms: NmsRecord) -> None:
    arrays = _clustered(boxes, classes)
    model = nms_model(_dense(1, boxes, classes), nms, HW)
    _check(_run(model, arrays), _expected(arrays, nms), nms)


@pytest.mark.parametrize("nms", [_record(), _record(iou=1.0, most=60)])
def test_openvino_keeps_the_same(nms: NmsRecord) -> None:
    boxes, scores = _clustered(300, 3)
    boxes[:, :20] = [0, 0, 128, 96]  # the same box, whose IoU with itself is 1 exactly
    arrays = boxes, scores
    model = nms_model(_dense(1, 300, 3), nms, HW)
    read = openvino.Core().read_model(model.SerializeToString(), b"")
    answer = openvino.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(arrays)
    _check([answer[name] for name in ("boxes", "scores", "labels")], _expected(arrays, nms), nms)


def test_several_pictures_behind_a_dense_graph() -> None:
    arrays, nms = _clustered(120, 4, pictures=3), _record()
    model = with_nms(_dense("batch", 120, 4), nms, HW)
    _check(_run(model, arrays), _expected(arrays, nms), nms)


def test_equal_scores_keep_the_order_of_the_grid() -> None:
    boxes, scores = _clustered(60, 2, seed=3)
    scores[:] = np.where(scores > 0.1, np.float32(0.5), np.float32(0.25))
    nms = _record(most=30)
    model = nms_model(_dense(1, 60, 2), nms, HW)
    _check(_run(model, (boxes, scores)), _expected((boxes, scores), nms), nms)


def test_a_box_outside_the_input_is_not_found() -> None:
    """Its score is the best; what is left of it at the edge has no area."""
    boxes = np.array([[[-20, 5, 0, 30], [130, 5, 150, 30], [10, 10, 30, 30]]], dtype=np.float32)
    scores = np.array([[[0.9], [0.8], [0.4]]], dtype=np.float32)
    _, found, labels = _run(nms_model(_dense(1, 3, 1), _record(most=2), HW), (boxes, scores))
    assert (found.tolist(), labels.tolist()) == ([[np.float32(0.4), 0.0]], [[0, -1]])
