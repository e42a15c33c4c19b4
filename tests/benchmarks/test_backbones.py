"""The backbones' benchmark: sizes against torchvision's own count, times of a real run."""

from __future__ import annotations

import json
from pathlib import Path

import backbones
import pytest
from torchvision.models import MobileNet_V2_Weights


def test_sizes_are_torchvisions_and_every_part_is_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, size = tmp_path / "out.json", ["--height", "224", "--width", "224"]
    counts = ["--rounds", "1", "--runs", "1", "--threads", "1"]
    backbones.main(["--backbone", "mobilenet_v2", *size, *counts, "--json", str(file)])
    (row,) = json.loads(file.read_text())["rounds"][0].values()
    facts, classifier = MobileNet_V2_Weights.IMAGENET1K_V2.meta, 1280 * 1000
    assert row["gmac"] == pytest.approx(facts["_ops"] - classifier / 1e9, abs=0.001)
    assert row["parameters"] * 1e6 == pytest.approx(facts["num_params"] - classifier - 1000)
    assert 0 < row["backbone"] < row["detector"]
    assert "mobilenet_v2" in capsys.readouterr().out
