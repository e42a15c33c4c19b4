"""``yolokit env``: what it reports, and what it says of a broken installation."""

from __future__ import annotations

import importlib
import json
from importlib import metadata
from types import ModuleType

import pytest
from click.testing import CliRunner

from yolokit import __version__
from yolokit.cli import env


def test_versions_and_devices_are_reported() -> None:
    done = CliRunner().invoke(env.command, ["--json"])
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert report["yolokit"] == __version__
    assert report["torch"] == metadata.version("torch")
    assert report["devices"].endswith("cpu")
    assert report["cpus"] >= 1
    assert report["problems"] == []


def test_the_table_says_the_same() -> None:
    runner = CliRunner()
    report = json.loads(runner.invoke(env.command, ["--json"]).stdout)
    lines = runner.invoke(env.command, []).stdout.splitlines()
    rows = dict(line.split("  ", 1) for line in lines if not line.startswith("note: "))
    assert {key: value.strip() for key, value in rows.items()} == {
        key: str(value) for key, value in report.items() if key not in {"problems", "notes"}
    }


def test_a_broken_import_is_reported_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_libgl(name: str) -> ModuleType:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file", name="cv2")
        return importlib.import_module(name)

    monkeypatch.setattr(env, "import_module", without_libgl)
    done = CliRunner().invoke(env.command, [])
    assert done.exit_code == 1
    assert "problem: import cv2: ImportError: libGL.so.1: cannot open" in done.stdout
    assert "devices" in done.stdout


def test_an_installation_for_exported_models_is_not_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(env, "find_spec", lambda _name: None)
    done = CliRunner().invoke(env.command, ["--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["problems"]) == (0, [])
    assert "devices" not in report
    assert any("training and model.safetensors need" in note for note in report["notes"])


def test_what_runs_exported_models_is_reported() -> None:
    report = json.loads(CliRunner().invoke(env.command, ["--json"]).stdout)
    for name in ("onnxruntime", "openvino"):
        assert report[name] == metadata.version(name)


def test_two_builds_of_opencv_are_noted() -> None:
    both = {"opencv-python": "5", "opencv-python-headless": "5", "cv2 windows": "QT5"}
    (note,) = env._opencv_notes(both)
    assert "share the folder cv2" in note and "pip install" not in note
    (note,) = env._opencv_notes({**both, "cv2 windows": "none"})
    assert "pip install --force-reinstall --no-deps opencv-python" in note
    assert env._opencv_notes({"opencv-python": "5", "cv2 windows": "none"}) == []


@pytest.mark.parametrize("name", ["hotcoco", "simplejpeg"])
def test_what_is_slower_for_want_of_a_package_is_noted(name: str) -> None:
    both: dict[str, object] = {"hotcoco": "1.3.0", "simplejpeg": "1.9.0"}
    assert env._slower_notes(both) == []
    del both[name]
    (note,) = env._slower_notes(both)
    assert note.endswith(f"pip install {name}")
