"""The front of AP over time: its table by hand, its picture drawn."""

from __future__ import annotations

import json
from pathlib import Path

import front
import pytest
from PIL import Image

DETECTORS = [
    {"name": "theirs", "ours": False, "ap": 0.2, "ms": {"PyTorch": 10.04}},
    {
        "name": "ours",
        "ours": True,
        "ap": 0.45,
        "sets": {"cells": 0.4, "fish": 0.5},
        "ms": {"PyTorch": 20, "OpenVINO": 8},
    },
]


def test_the_best_stands_first_and_what_is_not_known_is_left_out() -> None:
    assert front.table(DETECTORS).splitlines() == [
        "|  | cells | fish | mean AP | PyTorch, ms | OpenVINO, ms |",
        "| --- | --- | --- | --- | --- | --- |",
        "| ours | 0.400 | 0.500 | 0.450 | 20.0 | 8.0 |",
        "| theirs |  |  | 0.200 | 10.0 |  |",
    ]


def test_the_picture_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    file, out = tmp_path / "front.json", tmp_path / "front.png"
    file.write_text(json.dumps({"about": "made up", "detectors": DETECTORS}))
    front.main([str(file), "--out", str(out)])
    with Image.open(out) as picture:
        colours = picture.convert("RGB").getcolors(1_000_000)
    assert colours is not None
    painted = {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in colours}
    assert {front.OURS, front.THEIRS} <= painted
    assert "| ours |" in capsys.readouterr().out
