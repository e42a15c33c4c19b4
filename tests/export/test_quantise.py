"""What 8 bits reach of a detector's graph, and what they do not."""

from __future__ import annotations

import logging
import os
from collections import Counter

import numpy as np
import pytest
from stirred_models import stirred_model

from yolokit.export import onnx_model
from yolokit.export.graph import DetectorGraph
from yolokit.export.openvino_model import convert
from yolokit.export.quantise import quantise
from yolokit.export.quiet import quiet


@pytest.mark.slow
def test_first_convolution_head_and_decoding_stay_in_float(
    capfd: pytest.CaptureFixture[str],
) -> None:
    detector, card = stirred_model("yolo")
    model = convert(onnx_model.trace(DetectorGraph(detector), card.image_hw, dynamic=False))
    rng = np.random.default_rng(0)
    level = logging.getLogger("nncf").level
    capfd.readouterr()
    with quiet():
        quantised = quantise(model, list(rng.integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("nncf").level == level
    assert "NNCF_CI" not in os.environ
    in_8_bits: Counter[str] = Counter()
    for op in quantised.get_ordered_ops():
        name = op.get_friendly_name()
        part = next((p for p in ("backbone", "neck", "head") if f"detector.{p}" in name), "graph")
        if op.get_type_name() == "Convolution":
            in_8_bits[part] += op.input_value(1).get_node().get_type_name() != "Constant"
        elif part == "graph":
            assert op.get_type_name() != "FakeQuantize" or "/fq_" in name
    first = next(op for op in quantised.get_ordered_ops() if op.get_type_name() == "Convolution")
    assert first.input_value(1).get_node().get_type_name() == "Constant"
    assert in_8_bits["backbone"] == 24  # of 25 in squeezenet1_1
    assert in_8_bits["neck"] > 0 and in_8_bits["head"] == 0


@pytest.mark.slow
def test_weights_have_a_scale_per_channel() -> None:
    detector, card = stirred_model("conv")
    model = convert(onnx_model.trace(DetectorGraph(detector), card.image_hw, dynamic=False))
    quantised = quantise(model, [np.full((64, 96, 3), 99, dtype=np.uint8)])
    second = [op for op in quantised.get_ordered_ops() if op.get_type_name() == "Convolution"][1]
    channels = second.input_value(1).get_shape()[0]
    scales = second.input_value(1).get_node().input_value(1).get_node()
    assert channels > 1 and int(np.prod(scales.get_output_shape(0))) == channels
