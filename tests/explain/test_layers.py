"""The table of a model: names, sizes by hand, sums that are the model's, and what is frozen."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import MakeDetector
from yolokit.backbones.backbone import freeze_stages
from yolokit.explain.layers import described, layer_table


@pytest.mark.parametrize(
    ("backbone", "head"),
    [("mobilenet_v2", "yolo"), ("resnet18", "yolov1"), ("timm:resnet18", "yolo")],
)
def test_rows_sum_to_the_model(backbone: str, head: str, make_detector: MakeDetector) -> None:
    detector = make_detector(backbone, head=head, image_hw=(64, 96))
    table = layer_table(detector, (64, 96))
    count = sum(each.numel() for each in detector.parameters())
    assert table.parameters == sum(row.parameters for row in table.rows) == count
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector.eval()(torch.zeros(1, 3, 64, 96))
    assert 2 * table.multiply_adds == counter.get_total_flops()
    assert sum(row.multiply_adds for row in table.rows) == table.multiply_adds


def test_a_block_is_named_as_torchvision_does(make_detector: MakeDetector) -> None:
    table = layer_table(make_detector("resnet18", image_hw=(64, 96)), (64, 96))
    rows = {row.name: row for row in table.rows}
    stem, block = rows["conv1"], rows["layer2.0"]
    assert stem.kind == "Conv2d 7x7 /2" and stem.output == (64, 32, 48)
    # 64 filters of 7 x 7 x 3 numbers, each laid over 32 x 48 places
    assert stem.parameters == 64 * 7 * 7 * 3
    assert stem.multiply_adds == 64 * 7 * 7 * 3 * 32 * 48
    assert stem.receptive_field == (7, 7) and stem.stride == (2, 2)
    assert block.kind == "BasicBlock" and block.output == (128, 8, 12)
    # two 3 x 3 convolutions, a 1 x 1 beside them, and three batch norms
    assert block.parameters == 64 * 128 * 9 + 128 * 128 * 9 + 64 * 128 + 3 * 2 * 128
    text = str(table)
    assert "Module(" not in text and "BasicBlock" in text and "128x8x12" in text
    assert f"{table.parameters:,} parameters" in text


def test_every_layer_has_a_row(make_detector: MakeDetector) -> None:
    table = layer_table(make_detector("mobilenet_v2"), (64, 96), every_layer=True)
    rows = {row.name: row for row in table.rows}
    assert rows["features.2.conv.1.0"].kind == "Conv2d 3x3 /2 depthwise"
    assert rows["features.3.add"].kind == "add" and rows["features.3.add"].parameters == 0
    assert rows["features.0.1"].kind == "BatchNorm2d"


def test_timm_blocks_have_timms_names(make_detector: MakeDetector) -> None:
    table = layer_table(make_detector("timm:mobilenetv3_small_050", head="yolo"), (64, 96))
    kinds = {row.name: row for row in table.rows}
    assert kinds["conv_stem"].kind == "Conv2d 3x3 /2"
    assert kinds["blocks.1"].kind == "2 InvertedResidual"
    deep = [row for row in table.rows if row.name.startswith("blocks.")]
    assert deep and all(row.whole_picture for row in deep)  # squeeze-and-excitation


def test_what_is_frozen_is_said(make_detector: MakeDetector) -> None:
    detector = make_detector("resnet18")
    freeze_stages(detector.backbone, 2, False)
    table = layer_table(detector, (64, 96))
    states = {row.name: row.training for row in table.rows}
    assert states["conv1"] == states["layer2.1"] == "frozen" and states["relu"] == ""
    assert states["layer3.0"] == states["layer4.1"] == "trained"
    frozen = sum(each.numel() for each in detector.parameters() if not each.requires_grad)
    assert table.frozen == frozen and f"{frozen:,} of them frozen" in str(table)
    freeze_stages(detector.backbone, "all", True)
    states = {row.name: row.training for row in layer_table(detector, (64, 96)).rows}
    assert states["layer1.0"] == "partly"  # its batch norms


def test_a_dense_head_sees_the_whole_picture(make_detector: MakeDetector) -> None:
    rows = layer_table(make_detector("squeezenet1_1", variant="fc"), (64, 96)).rows
    assert rows[-1].name == "head.predict" and rows[-1].whole_picture
    assert not any(row.whole_picture for row in rows[:-1])


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(8, 8, (1, 3), groups=2), "Conv2d 1x3 in 2 groups"),
        (nn.MaxPool2d(3, 2), "MaxPool2d 3x3 /2"),
        (nn.SiLU(), "SiLU"),
    ],
)
def test_a_layer_in_words(layer: nn.Module, text: str) -> None:
    assert described(layer) == text
