"""Wrong commands are answered in one line before torch is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from yolokit.synthesis.dataset import synthesise

WRONG: dict[str, tuple[str, str]] = {  # command -> what its one line says
    "train nothing --data set": ("no config 'nothing'", "error"),
    "train quickstart": ("names no data", "error"),
    "train quickstart --data absent": ("no data at absent", "error"),
    "train quickstart --data set -o train.epoch=3": ("did you mean train.epochs?", "error"),
    "train quickstart --data set -o train.epochs=none": ("train.epochs", "error"),
    "train quickstart --data set -o train.time_budget=10": ("10 of what? Give 10s, 10m", "error"),
    "train quickstart --data set --time-budget 10": ("10 of what? Give 10s, 10m or 10h", "usage"),
    "train quickstart --data set --run used": ("used holds a run already", "error"),
    "train quickstart --data set --device gpu": ("'gpu' is none of auto, cpu", "usage"),
    "train quickstart --data set --epochs 3 --time-budget 1h": ("not both", "usage"),
    "train quickstart --data missing.yaml": ("no annotation file at", "error"),
    "train quickstart --data broken": ("not valid JSON", "error"),
    "train quickstart --data unpictured": ("cannot be used", "error"),
    "train quickstart --data set --from absent": ("no model file absent", "error"),
    "train quickstart --data set --from foreign.safetensors": ("not written by yolokit", "error"),
    "train --from used --data set": ("no model file used/model.safetensors", "error"),
    "train --resume absent": ("no run to resume", "error"),
    "eval absent --data set": ("no model file absent", "error"),
    "eval foreign.safetensors --data set": ("not written by yolokit", "error"),
    "eval absent.onnx --data set": ("no model file absent.onnx", "error"),
    "eval foreign.safetensors --data absent": ("no data at absent", "error"),
    "eval foreign.safetensors --data set --split test": ("no split 'test' in set", "error"),
    "eval foreign.safetensors --data missing.yaml": ("no annotation file at", "error"),
    "eval": ("missing option '--data'", "usage"),
    "eval foreign.safetensors --data broken --split train": ("not valid JSON", "error"),
    "detect absent photo.jpg": ("photo.jpg", "error"),
    "detect absent set": ("no model file absent", "error"),
    "detect foreign.safetensors set --conf 2": ("'--conf'", "usage"),
    "export absent --format onnx": ("no model file absent", "error"),
    "export foreign.safetensors --format onnx": ("not written by yolokit", "error"),
    "export foreign.safetensors --format xyz": ("'xyz' is not one of", "usage"),
    "bench absent": ("no model at absent", "error"),
    "bench foreign.safetensors --data absent": ("no data at absent", "error"),
    "data check absent": ("no data at absent", "error"),
    "data stats absent": ("no data at absent", "error"),
    "data stats broken": ("not valid JSON", "error"),
    "data preview broken --out a.png": ("not valid JSON", "error"),
    "data stats set --split test": ("no split 'test' in set", "error"),
    "data stats set --config nothing": ("no config 'nothing'", "error"),
    "data preview absent --out a.png": ("no data at absent", "error"),
    "data preview set --out a.png --split test": ("no split 'test' in set", "error"),
    "data split absent new": ("no data at absent", "error"),
    "data split set used": ("used is not an empty folder", "error"),
    "data nothing": ("no such command 'nothing'", "usage"),
}
SCRIPT = """
import contextlib, io, json, sys
from yolokit.cli.main import main
found = {}
for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(words.split())
    found[words] = [status, said.getvalue(), "torch" in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Status, words on stderr and whether torch is loaded, of each in turn in one process."""
    numpy_file = pytest.importorskip("safetensors.numpy")
    import numpy as np

    folder = tmp_path_factory.mktemp("wrong")
    for name in ("set", "broken", "unpictured"):
        synthesise(folder / name, images=(2, 1, 0), size_hw=(64, 64), video=False)
    (folder / "broken/annotations/instances_train.json").write_text("{")
    next((folder / "unpictured/images/train").iterdir()).unlink()
    (folder / "used").mkdir()
    (folder / "used/config.yaml").write_text("{}")
    numpy_file.save_file({"a": np.zeros(3)}, folder / "foreign.safetensors")
    (folder / "missing.yaml").write_text(
        "{train: {images: set, annotations: a.json}, val: {images: set, annotations: b.json}}"
    )
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(list(WRONG)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(folder.rglob("*")) == before  # nothing is left behind
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_command_is_answered_before_torch(words: str, answers: dict[str, Any]) -> None:
    said, kind = WRONG[words]
    status, told, loaded = answers[words]
    (line,) = told.splitlines()
    assert line.startswith("error: ") and said in line, line
    assert status == (2 if kind == "usage" else 1)
    assert not loaded
