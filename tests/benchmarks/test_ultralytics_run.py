"""What can be checked of Ultralytics' runner without Ultralytics."""

from __future__ import annotations

from pathlib import Path

import torch
from sets import Truth
from torchvision.models import mobilenet_v2
from ultralytics_run import backbone_state, to_coco_rows, yolo11n_on_mobilenet_v2


def test_rows_get_the_sets_own_ids() -> None:
    truth = Truth(category_ids=(3, 7), class_names=("three", "seven"), pictures=())
    row = {"image_id": 41, "file_name": "000000000041.jpg", "bbox": [1, 2, 3, 4], "score": 0.5}
    (made,) = to_coco_rows([{**row, "category_id": 2}], truth)
    assert made == {"image_id": 41, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}


def test_the_picked_features_are_the_ones_declared() -> None:
    layers = yolo11n_on_mobilenet_v2()["backbone"]
    picks = [arguments for _, _, module, arguments in layers if module == "Index"]
    maps = [torch.zeros(1, 3, 64, 64)]  # the block's list begins with the picture
    for block in mobilenet_v2(weights=None).features.eval():
        maps.append(block(maps[-1]))
    assert [maps[index].shape[1] for _, index in picks] == [channels for channels, _ in picks]
    assert [64 // maps[index].shape[2] for _, index in picks] == [8, 16, 32]
    # the last of its stride: the next one is coarser
    assert all(maps[i + 1].shape[2] < maps[i].shape[2] for _, i in picks[:-1])


def test_every_layer_takes_what_is_there() -> None:
    model = yolo11n_on_mobilenet_v2()
    layers = [*model["backbone"], *model["head"]]
    for index, (sources, *_) in enumerate(layers):
        for source in [sources] if isinstance(sources, int) else sources:
            assert source == -1 or 0 <= source < index
    widths = {index: layer[3][0] for index, layer in enumerate(layers) if layer[2] == "C3k2"}
    assert [widths[source] for source in layers[-1][0]] == [64, 128, 256]


def test_weights_are_read_with_and_without_their_prefix(tmp_path: Path) -> None:
    features = mobilenet_v2(weights=None).features.state_dict()
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "whole.pth")
    torch.save(features, tmp_path / "features.pth")
    for name in ("whole.pth", "features.pth"):
        assert backbone_state(tmp_path / name).keys() == features.keys()
