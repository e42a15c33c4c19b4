"""The benchmark of the server compares what was found before it prints a time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import serving
from PIL import Image
from served import cells_model, cells_picture


@pytest.mark.slow
def test_a_server_is_loaded_and_told_beside_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, report = tmp_path / "pictures", tmp_path / "serving.json"
    pictures.mkdir()
    for column in range(3):
        Image.fromarray(cells_picture((column, 0, "red"))).save(pictures / f"{column}.png")
    words = ["--pictures", pictures, "--model", cells_model(tmp_path / "cells.onnx")]
    words += ["--clients", 2, "--requests", 4, "--out", report]
    monkeypatch.setattr(sys, "argv", ["serving.py", *map(str, words)])
    serving.main()
    told = json.loads(report.read_text())
    assert told["requests"] == 8
    assert {"network alone", "request", "  network", "  total"} <= set(told["ms"])
    assert capsys.readouterr().out.startswith("8 requests, none lost, ")


def test_other_boxes_end_it() -> None:
    found = {"name": "red", "score": 0.5, "box_xywh": [0, 0, 16, 16]}
    alone = {"name": "red", "score": 0.5, "box": [0, 0, 16, 16]}
    serving.require_equal([(0, 0.1, {"detections": [found]})], [[alone]])
    with pytest.raises(SystemExit, match="picture 0: the server found"):
        serving.require_equal([(0, 0.1, {"detections": [{**found, "score": 0.51}]})], [[alone]])
