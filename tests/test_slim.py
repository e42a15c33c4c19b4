"""Exported models need no torch: not to be imported, and not to be installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported_files import CATEGORY_IDS, HW, NAMES, make_card, write_onnx, write_openvino
from packaging.requirements import Requirement
from PIL import Image

from yolokit import slim

FORBIDDEN = ("torch", "torchvision", "lightning", "pytorch_lightning", "albumentations", "timm")
# Runs a command, or prints an AP, in a process that cannot import what must not be needed.
HOOK = f"""
import sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise AssertionError(f"{{name}} is imported")

sys.meta_path.insert(0, Forbid())
"""
COMMAND = "from yolokit.cli.main import main\nsys.exit(main(sys.argv[1:]))"
PYTHON = """
import yolokit, yolokit.errors
model = yolokit.load(sys.argv[1])
assert len(model.predict(sys.argv[2])[0]) == 3, model.predict(sys.argv[2])[0].to_dict()
print(yolokit.evaluate(model, data=sys.argv[3]).AP)
try:
    model.export("onnx")
except yolokit.errors.ExportError as error:
    assert str(error).startswith("this model is an exported one")
else:
    raise AssertionError("exported")
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture with one cell of each colour, as COCO data; and as a film."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images/val").mkdir(parents=True)
    (folder / "annotations").mkdir()
    picture = np.zeros((*HW, 3), dtype=np.uint8)
    annotations = []
    for label, category_id in enumerate(CATEGORY_IDS):
        picture[16:32, 32 * label : 32 * label + 16, label] = 255
        box = [32 * label, 16, 16, 16]
        annotations.append(
            {"id": label + 1, "image_id": 5, "category_id": category_id, "bbox": box, "area": 256}
        )
    Image.fromarray(picture).save(folder / "images/val/a.png")
    film = cv2.VideoWriter(
        str(folder / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (HW[1], HW[0])
    )
    for _ in range(3):
        film.write(picture[..., ::-1].copy())
    film.release()
    tree = {
        "images": [{"id": 5, "file_name": "a.png", "width": HW[1], "height": HW[0]}],
        "annotations": annotations,
        "categories": [{"id": i, "name": n} for i, n in zip(CATEGORY_IDS, NAMES, strict=True)],
    }
    (folder / "annotations/instances_val.json").write_text(json.dumps(tree))
    return folder


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind: str = request.param
    write: Callable[..., Path] = write_onnx if kind == "onnx" else write_openvino
    return write(tmp_path_factory.mktemp("model") / f"cells.{kind}", make_card(format=kind))


@pytest.fixture
def run(repository: Path, tmp_path: Path) -> Run:
    def command(script: str, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", HOOK + script, *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_the_hook_forbids(run: Run) -> None:
    assert "torch is imported" in run("import torch").stderr


@pytest.mark.parametrize("source", ["images/val/a.png", "film.avi", ""])
def test_detect_imports_no_torch(run: Run, model: Path, data: Path, source: str) -> None:
    done = run(COMMAND, "detect", model, data / source, "--save-json", "--out", "found")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("count", [["--count-line", "0,50%,100%,50%"], []])
def test_track_imports_no_torch(run: Run, model: Path, data: Path, count: list[str]) -> None:
    done = run(COMMAND, "track", model, data / "film.avi", "--save-json", "--save-mot", *count)
    assert (done.returncode, done.stderr) == (0, "")
    assert "found 1 red, 1 green, 1 blue" in done.stdout


def test_eval_imports_no_torch(run: Run, model: Path, data: Path) -> None:
    done = run(COMMAND, "eval", model, "--data", data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AP    1.000" in done.stdout


def test_python_imports_no_torch(run: Run, model: Path, data: Path) -> None:
    done = run(PYTHON, model, data / "images/val/a.png", data)
    assert done.stderr == ""
    assert float(done.stdout) == pytest.approx(1)


def always_required(repository: Path) -> list[str]:
    setup = (repository / "setup.cfg").read_text(encoding="utf-8")
    block = setup.partition("install_requires =\n")[2].partition("\n\n")[0]
    return [line.strip() for line in block.splitlines()]


def test_the_list_is_what_is_required_but_for_training(repository: Path) -> None:
    always = always_required(repository)
    kept = slim.slim_requirements(slim.declared_requirements(), ["onnx"])
    dropped = [line for line in always if line not in kept]
    assert sorted(map(slim.name_of, dropped)) == sorted(slim.TRAINING)
    (added,) = (line for line in kept if line not in always)
    assert re.fullmatch(r"onnxruntime>=[\d.]+", added)


def test_a_marker_of_the_platform_is_kept() -> None:
    line = 'fast>=1; platform_machine in "x86_64 arm64"'
    assert slim.slim_requirements([line, "torch>=2"], []) == [line]


def test_each_kind_of_model_and_the_server_have_their_extra() -> None:
    kept = slim.slim_requirements(slim.declared_requirements(), slim.EXTRAS)
    names = [slim.name_of(line) for line in kept]
    assert {"onnxruntime", "openvino", "fastapi", "uvicorn"} <= {*names}


def test_an_installed_package_knows_it_from_its_metadata(tmp_path: Path) -> None:
    """A wheel's metadata, as setuptools writes it, and no ``setup.cfg`` beside the package."""
    (tmp_path / "yolokit").mkdir()
    for name in ("__init__", "_version", "slim"):
        shutil.copy(Path(slim.__file__).with_name(f"{name}.py"), tmp_path / "yolokit")
    (tmp_path / "yolokit-1.dist-info").mkdir()
    (tmp_path / "yolokit-1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.4\nName: yolokit\nVersion: 1\n"
        'Requires-Dist: torch>=2.10\nRequires-Dist: hotcoco<2; platform_machine in "x86_64"\n'
        'Provides-Extra: onnx\nRequires-Dist: onnxruntime>=1.20; extra == "onnx"\n'
        'Provides-Extra: timm\nRequires-Dist: timm>=1; extra == "timm"\n'
    )
    done = subprocess.run(
        [sys.executable, "-S", "-m", "yolokit.slim"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        'hotcoco<2; platform_machine in "x86_64"',
        "onnxruntime>=1.20",
    ]


def test_an_unknown_extra_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert slim.main(["tensorrt"]) == 2
    assert capsys.readouterr().err == "error: no extra 'tensorrt'. Name onnx or openvino or serve\n"


def closure(requirements: list[str]) -> set[str]:
    """The packages that pip would install for them, by name."""
    waiting, found = [Requirement(line) for line in requirements], set()
    while waiting:
        requirement = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name.lower() not in found:
            found.add(requirement.name.lower())
            waiting += map(Requirement, distribution(requirement.name).requires or ())
    return found


@pytest.mark.slow
def test_what_is_listed_is_enough(repository: Path, data: Path, tmp_path: Path) -> None:
    """A virtual environment that holds the listed packages, linked from this one, and no other."""
    names = closure(slim.slim_requirements(slim.declared_requirements(), slim.EXTRAS))
    assert names.isdisjoint(FORBIDDEN)
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    for name in names:
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / top).is_symlink():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    (site / "yolokit").symlink_to(repository / "yolokit")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def python(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tmp_path / "venv/bin/python", *map(str, words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "No module named 'torch'" in python("-c", "import torch").stderr
    for model in (
        write_onnx(tmp_path / "cells.onnx"),
        write_openvino(tmp_path / "cells_openvino"),
    ):
        picture = data / "images/val/a.png"
        done = python("-c", "import sys\n" + PYTHON, model, picture, data)
        assert done.stderr == ""
        for words in (["detect", model, data / "film.avi"], ["eval", model, "--data", data]):
            done = python("-m", "yolokit", *words)
            assert (done.returncode, done.stderr) == (0, "")
    done = python("-m", "yolokit", "train", "quickstart", "--data", data)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "pip install" in done.stderr
