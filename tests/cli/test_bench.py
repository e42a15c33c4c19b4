"""``yolokit bench``: the table, the JSON, and what is refused before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolokit.cli import main as cli_main

PARTS = ["decode", "prepare", "network", "postprocess"]


def bench(*words: str | Path) -> int:
    return cli_main.main(["bench", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (40, 80, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "note.txt").write_text("no picture")
    return tmp_path


@pytest.mark.slow  # starts a process for each model
def test_two_models_beside_each_other(
    tiny_model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "bench.json"
    words = (tiny_model, tiny_model.parent, "--pictures", folder, "--batch", "2", "--runs", "2")
    assert bench(*words, "--device", "cpu", "--precision", "f32", "--json", file) == 0
    out = capsys.readouterr().out.splitlines()
    table = [line.split() for line in out if line.startswith(("model ", "/"))]
    assert table[0][:6] == ["model", "input", "ratio", "ms", "p95", "pictures/s"]
    assert table[1][:3] == [str(tiny_model), "64x64", "1.00"]
    assert "2 pictures of" in out[1] and "80x40 px; batch 2; 2 runs of each model" in out[1]
    found = json.loads(file.read_text())
    assert found.keys() == {"yolokit", "machine", "pictures", "batch_size", "models"}
    assert found["machine"].keys() == {"processor", "cpus", "load", "matrix_gflop_per_second"}
    first, second = found["models"]
    assert (first["model"], second["model"]) == (str(tiny_model), str(tiny_model.parent))
    assert first["ratio"] == 1 and second["ratio"] > 0
    assert first["parameters"] == second["parameters"] > 100_000
    assert first["share_of_fp32"] * found["machine"]["matrix_gflop_per_second"]["fp32"] == (
        pytest.approx(first["gflop_per_second"])
    )
    assert first["peak_mb"] > 0 and first["runs_on"].startswith("torch ")
    for each in (first, second):
        assert list(each["ms"]) == ["whole", *PARTS] and each["image_hw"] == [64, 64]
        parts = sum(each["ms"][part]["mean"] for part in PARTS)
        assert parts == pytest.approx(each["ms"]["whole"]["mean"])
        assert each["ms"]["whole"]["p50"] <= each["ms"]["whole"]["p95"]


@pytest.mark.slow
def test_made_up_pictures_are_said_to_be_so(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tiny_model, "--runs", "1", "--device", "cpu") == 0
    assert "12 made-up pictures, about 640x480 px; batch 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["absent.safetensors"], "no model at absent.safetensors. Give"),
        (["{model}", "absent.onnx"], "no model at absent.onnx. Give"),
        (["{model}", "--pictures", "absent"], "absent"),
        (["{model}", "--pictures", "{empty}"], "no picture or video in"),
        (["{model}", "--data", "absent"], "no data at absent"),
    ],
)
def test_wrong_paths_are_one_line_and_load_nothing_heavy(
    words: list[str], says: str, tiny_model: Path, tmp_path: Path
) -> None:
    named = [word.format(model=tiny_model, empty=tmp_path) for word in words]
    script = (
        "import sys; from yolokit.cli.main import main; status = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; sys.exit(status)"
    )
    command = [sys.executable, "-c", script, "bench", *named]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and says in line


@pytest.mark.parametrize(
    "words",
    [
        ["--runs", "1", "--seconds", "1"],
        ["--pictures", "a", "--data", "b"],
        ["--runs", "0"],
        ["--pictures", "a", "--split", "test"],
    ],
)
def test_what_cannot_go_together(words: list[str], tiny_model: Path) -> None:
    assert bench(tiny_model, *words) == 2


@pytest.mark.slow
def test_threads_are_set_before_torch_is_loaded(tiny_model: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from yolokit.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "import cv2, torch; print(torch.get_num_threads(), cv2.getNumThreads())"
    )
    words = ["bench", str(tiny_model), "--runs", "1", "--threads", "1", "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 1"
