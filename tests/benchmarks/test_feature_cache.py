"""The feature cache's benchmark: real trainings with and without, on a set of two pictures."""

from __future__ import annotations

import json
from pathlib import Path

import feature_cache
import pytest


def test_epochs_and_filling_are_timed_and_written(
    pair_of_pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        feature_cache.CASES,
        "mobilenet_v2_light",
        (
            "yolo_mobilenet_v2_light",
            ["model.backbone.name=resnet18", "model.head.width=8", "data.image_size=64"],
        ),
    )
    file = tmp_path / "out.json"
    words = ["--case", "mobilenet_v2_light", "--data", str(pair_of_pictures), "--batch", "2"]
    feature_cache.main([*words, "--epochs", "1", "--rounds", "1", "--json", str(file)])
    (found,) = json.loads(file.read_text())["cases"].values()
    # Two pictures, 2 bytes a number: 128, 256 and 512 channels at strides 8, 16 and 32 of 64 px
    # (ResNet-18's), the input cut to the pictures' shape.
    height, width = found["image_hw"]
    numbers = sum(
        channels * (height // stride) * (width // stride)
        for channels, stride in ((128, 8), (256, 16), (512, 32))
    )
    assert found["MB"] == pytest.approx(2 * 2 * numbers / 1e6, abs=0.05)
    assert found["times"] == pytest.approx(found["epoch_s"] / found["epoch_with_cache_s"], rel=0.2)
    assert found["filling_s"] > 0
    assert "times as fast" in capsys.readouterr().out
