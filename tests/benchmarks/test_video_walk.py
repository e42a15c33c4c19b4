"""The film's benchmark goes through a short film as often as it needs, stage by stage."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import video_walk
from exported_files import write_onnx

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def test_stages_the_walk_and_memory_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    film, report = tmp_path / "film.avi", tmp_path / "video.json"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for grey in range(5):
        writer.write(np.full((48, 64, 3), 40 * grey, np.uint8))
    writer.release()
    model = write_onnx(tmp_path / "cells.onnx")
    words = ["--model", model, "--video", film, "--frames", 12, "--memory-frames", 10]
    monkeypatch.setattr(
        sys, "argv", ["video_walk.py", *map(str, words), "--rounds", "1", "--out", str(report)]
    )
    video_walk.main()
    told = json.loads(report.read_text())
    (row,) = told["rounds"]
    slowest = max(row[stage]["seconds"] for stage in ("read", "predict", "write"))
    assert told["fps"]["walk"] == pytest.approx(12 / row["walk"]["seconds"])
    assert told["walk of slowest stage"] == pytest.approx(slowest / row["walk"]["seconds"])
    assert all(megabytes > 1 for megabytes in told["memory_mb"].values())
