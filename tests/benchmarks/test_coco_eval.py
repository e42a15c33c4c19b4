"""The evaluation benchmark: a small set, numbers compared, a table."""

from __future__ import annotations

import json
from pathlib import Path

import coco_eval
import pytest


def test_numbers_are_compared_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    coco_eval.main(
        [
            "--pictures",
            "8",
            "--detections",
            "30",
            "--classes",
            "3",
            "--pairs",
            "1",
            "--json",
            str(file),
        ]
    )
    result = json.loads(file.read_text())
    assert (result["detections"], result["pictures"]) == (240, 8)
    assert {"yolokit", "pycocotools"} <= result["contestants"].keys()
    assert result["contestants"]["yolokit"]["largest_difference"] <= 1e-9
    assert result["contestants"]["pycocotools"]["ratio"] == 1
    assert "| yolokit |" in capsys.readouterr().out


def test_other_numbers_are_a_difference() -> None:
    def runs(*numbers: float) -> list[dict[str, object]]:
        return [{"numbers": list(numbers)}]

    assert coco_eval._difference(runs(0.5, -1), runs(0.5, float("nan"))) == 0
    assert coco_eval._difference(runs(0.5), runs(0.25)) == 0.25
    assert coco_eval._difference(runs(0.5), runs(-1)) == float("inf")
