"""Models from a hub on this machine, through the real ``huggingface_hub``."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from exported_files import write_onnx
from hub_place import NOBODY, hub_at_home, point_at
from hub_server import Hub

import yolokit
from yolokit.cli.main import main
from yolokit.errors import HubError, WeightsError
from yolokit.models import hub_files
from yolokit.models.hub_files import local_model
from yolokit.synthesis.dataset import synthesise

PICKLES = {"pytorch_model.bin": b"\x80\x04", "best.pt": b"PK", "weights.ckpt": b""}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_at_home(tmp_path / "home") as hub:
        yield hub


@pytest.fixture
def weights(tiny_model: Path) -> bytes:
    return tiny_model.read_bytes()


def test_a_model_is_fetched_once_and_loads(hub: Hub, weights: bytes, tiny_model: Path) -> None:
    hub.add("ann/fish", {"model.safetensors": weights, "README.md": b"# fish", **PICKLES})
    model = yolokit.load("hf:ann/fish")
    assert model.class_names == yolokit.load(tiny_model).class_names
    assert "hf:ann/fish" in str(model)
    fetched = [each for each in hub.asked if each.startswith("GET /ann")]
    assert fetched == ["GET /ann/fish/resolve/main/model.safetensors"]
    assert local_model("hf://ann/fish").read_bytes() == weights
    assert [each for each in hub.asked if each.startswith("GET /ann")] == fetched


def test_other_paths_stay_as_they_are(tmp_path: Path) -> None:
    assert local_model(tmp_path / "model.onnx") == tmp_path / "model.onnx"


def test_a_revision_is_pinned(hub: Hub, weights: bytes) -> None:
    first = hub.add("ann/fish", {"model.safetensors": weights})
    hub.repos["ann/fish"].names["v1"] = first
    hub.repos["ann/fish"].commit({"model.safetensors": b"newer"})
    assert local_model("hf:ann/fish").read_bytes() == b"newer"
    for revision in ("v1", first):
        assert local_model(f"hf:ann/fish@{revision}").read_bytes() == weights
    with pytest.raises(HubError, match="hf:ann/fish@v2 has no such revision"):
        local_model("hf:ann/fish@v2")


def test_without_a_network_what_was_fetched_is_taken(
    hub: Hub,
    weights: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from huggingface_hub import constants

    hub.add("ann/fish", {"model.safetensors": weights, "model.onnx": b"not fetched"})
    path = local_model("hf:ann/fish")
    point_at(monkeypatch, NOBODY, tmp_path / "home")
    assert local_model("hf:ann/fish") == path
    assert "the hub does not answer; hf:ann/fish is as fetched before" in capsys.readouterr().err
    with pytest.raises(HubError, match="not in the cache here, and the hub cannot be asked"):
        local_model("hf:ann/cat")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert local_model("hf:ann/fish") == path
    assert capsys.readouterr().err == ""
    with pytest.raises(HubError, match="not in the cache here"):
        local_model("hf:ann/fish@v7")
    with pytest.raises(HubError, match=r"hf:ann/fish has no file model\.onnx"):
        local_model("hf:ann/fish/model.onnx")


def test_exported_models_and_files_by_name(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    onnx = write_onnx(tmp_path / "any.onnx").read_bytes()
    hub.add("ann/one", {"any.onnx": onnx, "README.md": b""})
    assert yolokit.load("hf:ann/one").backend.description.startswith("onnxruntime")
    hub.add("ann/more", {"a[1].onnx": onnx, "b.onnx": b"", "a1.onnx": b""})
    with pytest.raises(
        HubError, match=r"several models: a1\.onnx, .*Give one: hf:ann/more/a1\.onnx"
    ):
        local_model("hf:ann/more")
    assert local_model("hf:ann/more/a[1].onnx").read_bytes() == onnx
    hub.add("ann/both", {"model.safetensors": weights, "openvino/model.xml": b"<net/>"})
    with pytest.raises(HubError, match=r"openvino/model\.xml without openvino/model\.bin"):
        local_model("hf:ann/both/openvino")
    hub.repos["ann/both"].commit({"openvino/model.bin": b"weights"})
    path = local_model("hf:ann/both/openvino")
    assert path.name == "model.xml" and path.with_suffix(".bin").read_bytes() == b"weights"


def test_pickles_are_never_fetched(hub: Hub) -> None:
    hub.add("ann/old", dict(PICKLES))
    with pytest.raises(
        HubError, match=r"no model of yolokit's.*It has best\.pt, pytorch_model\.bin"
    ):
        local_model("hf:ann/old")
    for file in PICKLES:
        with pytest.raises(HubError, match="others are not loaded"):
            local_model(f"hf:ann/old/{file}")
    assert not [each for each in hub.asked if "/resolve/" in each]


def test_what_is_not_there_private_or_gated_is_told(
    hub: Hub, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("ann/secret", {"model.safetensors": weights}, private=True)
    hub.add("ann/asks", {"model.safetensors": weights})
    hub.gated.add("ann/asks")
    assert local_model("hf:ann/secret").is_file()
    with pytest.raises(
        HubError, match=r"the hub has no hf:ann/none, or it is private.*hf auth login"
    ):
        local_model("hf:ann/none")
    with pytest.raises(HubError, match="hf:ann/asks is gated"):
        local_model("hf:ann/asks")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(HubError, match="the hub has no hf:ann/hidden, or it is private"):
        local_model("hf:ann/hidden")
    hub.broken = True
    with pytest.raises(HubError, match="the hub answers 500 for hf:ann/none"):
        local_model("hf:ann/none")


def test_a_model_of_somebody_else_is_refused_as_any_file(hub: Hub, tmp_path: Path) -> None:
    from safetensors.numpy import save

    hub.add("ann/detr", {"model.safetensors": save({})})
    with pytest.raises(WeightsError, match="was not written by yolokit"):
        yolokit.load("hf:ann/detr")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"hf:ann/fish needs\. pip install huggingface_hub"):
        local_model("hf:ann/fish")


@pytest.mark.slow
def test_every_command_takes_it(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    """As a user types them, in one process: what they print is other tests' matter."""
    hub.add("ann/fish", {"model.safetensors": weights})
    data, name = tmp_path / "set", "hf:ann/fish"
    synthesise(data, images=(4, 2, 0), size_hw=(64, 64), classes=1, seed=5, video=False)
    picture = str(next((data / "images/val").iterdir()))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for words in (
            ["detect", name, picture, "--out", "found"],
            ["track", name, str(data / "images/val"), "--out", "tracked"],
            ["bench", name, "--runs", "1", "--pictures", str(data / "images/val")],
            ["export", name, "--format", "onnx"],
            ["explain", "model", name],
            ["explain", "filters", name],
            ["train", "--from", name, "--data", str(data), "--epochs", "1", "--quiet"],
        ):
            assert main(words) == 0, words
        assert (tmp_path / "fish.onnx").is_file()
        assert (tmp_path / "runs/fish/model.safetensors").is_file()
        trained = (tmp_path / "runs/fish/model.safetensors").read_bytes()
        hub.add("ann/trained", {"model.safetensors": trained})
        report = ["--report", "report.html"]
        assert main(["eval", "hf:ann/trained", "--data", str(data), *report]) == 0
        assert "hf:ann/trained" in (tmp_path / "report.html").read_text()
    assert not list((tmp_path / "home").rglob("*.onnx"))


def test_a_hub_that_never_answers_is_not_waited_for(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes connections, says nothing
        point_at(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}", tmp_path / "home")
        monkeypatch.setattr(hub_files, "_PATIENCE", 0.2)
        with pytest.raises(HubError, match="not in the cache here, and the hub cannot be asked"):
            local_model("hf:ann/fish")


def test_a_command_without_a_network_ends_with_one_line(tmp_path: Path) -> None:
    data = tmp_path / "set"
    synthesise(data, images=(4, 2, 0), size_hw=(64, 64), classes=1, seed=5, video=False)
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch, NOBODY, tmp_path / "home")
        command = [sys.executable, "-m", "yolokit", "eval", "hf:ann/fish", "--data", str(data)]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: hf:ann/fish is not in the cache here, and the hub cannot be")
