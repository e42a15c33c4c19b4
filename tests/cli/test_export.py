"""``yolokit export`` as a stranger types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper
from stirred_models import stirred_model

import yolokit
from yolokit.bench.size import network_size
from yolokit.cli.main import main
from yolokit.errors import ExportError
from yolokit.export import onnx_model, write
from yolokit.models.model_file import save_model
from yolokit.synthesis.dataset import synthesise


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training photos and two of val, labelled."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    synthesise(folder, images=(3, 2, 0), size_hw=(64, 64), classes=3, video=False)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three classes whose outputs differ as a trained one's."""
    path = tmp_path_factory.mktemp("run") / "model.safetensors"
    save_model(path, *stirred_model("yolo"))
    return path


def test_onnx_is_written_checked_and_told(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "m.onnx"
    words = ["export", str(model), "--format", "onnx", "--data", str(photos)]
    assert main([*words, "--out", str(out)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert said.err == ""
    assert lines[0] == f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB"
    assert lines[1] == f"checked on 2 pictures: val of {photos}"
    assert lines[2].startswith("largest difference of a score ")
    assert lines[3].startswith("AP on val 0.")
    assert lines[4] == f"next: yolokit detect {out} photo.jpg"
    assert list(out.parent.iterdir()) == [out]
    reader = yolokit.load(out)
    record = reader.card.export
    assert record is not None and record.parity is not None
    assert (record.format, record.parity.source, record.ap_split) == ("onnx", "val", "val")
    assert record.ap_before == record.ap_after is not None
    assert network_size(out, reader.card) == network_size(model, yolokit.load(model).card)
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    (original,) = yolokit.load(model).predict(picture, conf=0.0)
    (exported,) = reader.predict(picture, conf=0.0)
    np.testing.assert_allclose(exported.boxes, original.boxes, atol=0.01)
    np.testing.assert_allclose(exported.scores, original.scores, atol=1e-3)


@pytest.fixture
def changed_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph that is written subtracts another mean from one channel: that of BGR from RGB."""
    trace = onnx_model.trace

    def changed(*arguments: object, **options: object) -> ModelProto:
        model = trace(*arguments, **options)  # type: ignore[arg-type]
        (mean,) = [each for each in model.graph.initializer if each.name == "detector.mean"]
        values = numpy_helper.to_array(mean).copy()
        values.ravel()[0] = values.ravel()[2]
        mean.CopyFrom(numpy_helper.from_array(values, mean.name))
        return model

    monkeypatch.setattr(onnx_model, "trace", changed)


def test_scripts_get_numbers_or_nothing(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "m.onnx", tmp_path / "m.json"
    words = ["export", str(model), "--format", "onnx", "--data", str(photos), "--out", str(out)]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    values = json.loads(said.out)
    record = yolokit.load(out).card.export
    assert record is not None and said.err == ""
    assert values["file"] == str(out) and values["ap_after"] == record.ap_after
    assert values["parity"]["pictures"] == 2
    assert main([*words, "-q", "--json", str(file)]) == 0
    assert capsys.readouterr().out == "" and json.loads(file.read_text())["format"] == "onnx"


@pytest.mark.usefixtures("changed_mean")
@pytest.mark.parametrize("kind", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_another_mean_in_the_graph_closes_the_gate(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    out = tmp_path / ("m.onnx" if kind == "onnx" else "m")
    assert main(["export", str(model), "--format", kind, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the exported file does not find what the model finds")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupted_export_leaves_the_file_that_was_there(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.onnx"
    out.write_bytes(b"of last week")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "require_parity", interrupted)
    assert main(["export", str(model), "--format", "onnx", "--out", str(out)]) == 130
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == b"of last week"


@pytest.mark.slow
def test_openvino_in_place_of_last_weeks(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m_openvino"
    out.mkdir()
    (out / "model.xml").write_text("of last week")
    assert main(["export", str(model), "--format", "openvino", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "made-up photos; --data gives real ones" in said.out
    assert "AP unknown: no labels" in said.out
    assert list(tmp_path.iterdir()) == [out]
    assert {each.name for each in out.iterdir()} == {"model.xml", "model.bin"}
    assert (out / "model.xml").read_text().startswith("<?xml")
    assert yolokit.load(out).card.class_names == ["disc", "square", "triangle"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "precision"),
    [
        (["--format", "openvino", "--int8"], "int8"),
        (["--format", "openvino", "--half"], "f16"),
        (["--format", "onnx", "--half"], "f16"),
    ],
)
def test_fewer_bits_make_a_smaller_file(
    model: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    precision: str,
) -> None:
    out = tmp_path / ("m.onnx" if "onnx" in words else "m")
    arguments = ["export", str(model), *words, "--data", str(photos), "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""
    card = yolokit.load(out).card
    assert card.export is not None and card.export.precision == precision
    size = sum(f.stat().st_size for f in ([out] if out.is_file() else out.iterdir()))
    assert size < 0.75 * model.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_suppression_inside_finds_the_same(model: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / ("m.onnx" if kind == "onnx" else "m")
    words = ["export", str(model), "--format", kind, "--nms", "--dynamic", "--out", str(out)]
    assert main(words) == 0
    # It fills the input: boxes are clipped to the input inside, to the picture outside.
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    inside, outside = (
        yolokit.load(path, precision="f32").predict([picture, picture[::-1].copy()], conf=0.01)
        for path in (out, model)
    )
    for one, other in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
        np.testing.assert_array_equal(np.sort(one.labels), np.sort(other.labels))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--format", "openvino", "--int8"],
            "int8 is calibrated on training pictures. Give --data",
        ),
        (
            ["--format", "onnx", "--int8"],
            "int8 is written for OpenVINO only. Use --format openvino",
        ),
        (["--format", "onnx", "--half"], "f16 is judged by AP, and no pictures are labelled"),
        (["--format", "onnx", "--out", "m.pb"], "an ONNX file ends in .onnx, not m.pb"),
        (["--format", "onnx", "--data", "nowhere"], "no data at nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(onnx_model, "trace", None)  # nothing is traced
    assert main(["export", str(model), *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}") and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_missing_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yolokit.export.options as options

    found = options.find_spec
    monkeypatch.setattr(options, "find_spec", lambda n: None if n == "nncf" else found(n))
    words = ["export", str(model), "--format", "openvino", "--int8", "--data", "x"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: this export needs nncf, not installed here")
    assert "pip install nncf" in said


def test_an_exported_model_is_not_exported_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "m.onnx"), "--format", "openvino"]) == 1
    assert "m.onnx is exported already" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "gone"), "--format", "onnx"]) == 1
    assert "no model file" in capsys.readouterr().err


def test_usage(model: Path) -> None:
    assert main(["export", str(model)]) == 2
    words = ["export", str(model), "--format", "openvino", "--int8", "--half"]
    assert main(words) == 2


@pytest.mark.slow
def test_from_python(model: Path, tmp_path: Path) -> None:
    exported = yolokit.load(model).export("onnx", out=tmp_path / "m.onnx")
    assert exported.path == tmp_path / "m.onnx"
    assert exported.checked_on.startswith("made-up photos")
    with pytest.raises(ExportError, match="Export the one it came from"):
        yolokit.load(exported.path).export("openvino", out=tmp_path / "m")
