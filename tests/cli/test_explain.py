"""``yolokit explain``: what it prints and writes, and what is refused before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.stirred_models import stirred_model
from yolokit.cli import main as cli_main
from yolokit.models.model_file import save_model


def explain(*words: str | Path) -> int:
    return cli_main.main(["explain", *map(str, words)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, *stirred_model("yolo"))
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(5).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_the_model_as_a_table_and_as_json(
    model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert explain("model", model, "--json", tmp_path / "model.json") == 0
    out = capsys.readouterr().out
    assert "features.0" in out and "Fire" in out and "mult-adds" in out
    assert "?" not in out  # of maps that are stretched by a cell, too
    table = json.loads((tmp_path / "model.json").read_text())
    assert sum(row["parameters"] for row in table["rows"]) == table["parameters"]


@pytest.mark.parametrize("name", ["model.png", "model.html"])
def test_the_model_as_a_picture_and_as_a_page(
    name: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain("model", model, "--out", tmp_path / name) == 0
    assert capsys.readouterr().out.endswith(f"wrote {tmp_path / name}\n")
    if name.endswith(".html"):
        page = (tmp_path / name).read_text()
        assert "<td>512x3x5</td>" in page and 'class="text">Fire</td>' in page
    else:
        assert Image.open(tmp_path / name).height > 20 * 15  # a line a block


def test_cells_are_drawn_and_listed(
    model: Path,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo-cells.png", "photo-cells-2.png"):
        assert explain("cells", model, photo, "--conf", "0.05") == 0
        assert f"wrote {name}" in capsys.readouterr().out
        assert Image.open(tmp_path / name).width >= 640
    assert explain("cells", model, photo, "--out", "a.html", "--json") == 0
    assert json.loads(capsys.readouterr().out)["grids"][0]["stride_hw"] == [16, 16]


def test_it_is_refused_before_torch_is_imported(model: Path) -> None:
    script = (
        "import sys\nfrom yolokit.cli.main import main\n"
        f"assert main(['explain', 'cells', {str(model)!r}, 'gone.png']) == 1\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_kernels_maps_and_evidence_are_drawn(
    model: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert explain("filters", model) == 0
    assert explain("features", model, photo) == 0
    place = ("--box", "10,10,40,30", "--label", "disc")
    assert explain("cam", model, photo, *place, "--json", "cam.json") == 0
    for name in ("filters.png", "photo-features.png", "photo-cam.png"):
        assert Image.open(tmp_path / name).width >= 640
    found = json.loads((tmp_path / "cam.json").read_text())
    assert found["name"] == "disc" and set(found["maps"]) == {"gradient", "local", "ablation"}


BOX = ("--box", "1,2,3,4")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cells", "MODEL", "gone.png"), "no picture at gone.png"),
        (("cells", "MODEL", "PHOTO", "--out", "a.gif"), "neither a .png nor a .html"),
        (("cells", "MODEL", "PHOTO", "--out", "PHOTO"), "is there already"),
        (("cells", "MODEL", "PHOTO", "--data", "gone"), "gone"),
        (("cells", "MODEL", "PHOTO", "--data", "gone", "--conf", "0.1"), "--conf has no effect"),
        (("cells", "gone.safetensors", "PHOTO"), "no model file"),
        (("model", "some.onnx"), "Give the model.safetensors it was made from"),
        (("model", "torchvision:ssd300_vgg16"), "torchvision's own detector"),
        (("model", "MODEL", "--out", "a.txt"), "neither a .png nor a .html"),
        (("model", "MODEL", "--out", "a.html", "--json", "a.html"), "Give two names"),
        (("cam", "MODEL", "PHOTO", "--number", "999"), "there is no box 999"),
        (("cam", "MODEL", "PHOTO", "--number", "1", "--conf", "1"), "none found in the picture"),
        (("cam", "MODEL", "PHOTO", "--number", "1", *BOX), "--number has no effect with --box"),
        (("cam", "MODEL", "PHOTO", "--conf", "0.1", *BOX), "--conf has no effect with --box"),
        (("cam", "MODEL", "PHOTO", "--box", "1,2,3"), "a box is x,y,w,h"),
        (("cam", "MODEL", "PHOTO", "--box", "1,2,0,4"), "w and h above 0"),
        (("cam", "MODEL", "PHOTO", "--label", "cube"), "'cube'. It knows disc, square, triangle"),
        (("cam", "MODEL", "PHOTO", "--label", "squares"), "no class 'squares'. Nearest: square"),
        (("filters", "MODEL", "--layer", "features.99"), "nearest: features.9"),
        (("features", "MODEL", "gone.png"), "no picture at gone.png"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    words: tuple[str, ...],
    said: str,
    model: Path,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    typed = [w.replace("MODEL", str(model)).replace("PHOTO", str(photo)) for w in words]
    assert explain(*typed) == (2 if "no effect" in said else 1)
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before  # nothing is written
