"""The training-step benchmark: every part of a real step, on a set of two pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import training_step


def test_every_part_of_a_step_is_timed_and_written(
    pair_of_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    settings = (
        *("model.backbone.name=squeezenet1_1", "model.head.width=16", "data.image_size=64"),
        *("train.batch_size=2", "train.precision=32", "data.rectangular=false"),
    )
    words = [word for setting in settings for word in ("-o", setting)]
    training_step.main(
        ["--data", str(pair_of_pictures), "--steps", "1", "--json", str(file), *words]
    )
    found = json.loads(file.read_text())
    assert (found["backbone"], found["image_hw"], found["batch_size"]) == (
        *("squeezenet1_1", [64, 64], 2),
    )
    assert tuple(found["parts"]) == training_step.PARTS
    assert sum(part["share"] for part in found["parts"].values()) == pytest.approx(1, abs=1e-3)
    assert all(part["processor_ms"] > 0 for part in found["parts"].values())
    assert "| backward |" in capsys.readouterr().out
