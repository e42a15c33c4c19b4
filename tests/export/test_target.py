"""Where an export goes, and what is refused before anything takes time."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolokit.errors import ConfigError, ExportError
from yolokit.export.options import ExportOptions
from yolokit.export.target import default_target, require_target, size_mb, workplace


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ExportOptions(format="onnx"), "model.onnx"),
        (ExportOptions(format="onnx", precision="f16"), "model_f16.onnx"),
        (ExportOptions(format="openvino"), "model_openvino"),
        (ExportOptions(format="openvino", precision="int8"), "model_int8_openvino"),
    ],
)
def test_it_lies_beside_the_model(options: ExportOptions, name: str) -> None:
    assert default_target(Path("runs/a/model.safetensors"), options) == Path("runs/a") / name


def test_names_that_readers_would_not_know(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ends in \.onnx, not model\.pb"):
        require_target(tmp_path / "model.pb", "onnx")
    with pytest.raises(ExportError, match="lie in a folder"):
        require_target(tmp_path / "model.xml", "openvino")


def test_nobodys_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="holds something else than an exported model"):
        require_target(tmp_path, "openvino")
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(ExportError, match="is a folder"):
        require_target(tmp_path / "m.onnx", "onnx")


def test_a_model_of_before_is_replaced(tmp_path: Path) -> None:
    for name in ("model.xml", "model.bin"):
        (tmp_path / name).write_bytes(b"12345")
    require_target(tmp_path, "openvino")
    assert size_mb(tmp_path) == pytest.approx(10e-6)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(ExportError, match=r"cannot write .*\. Choose another place")
    with refused, workplace(tmp_path / "file" / "m.onnx"):
        pass


def test_int8_names_the_format_that_has_it() -> None:
    with pytest.raises(ConfigError, match="Use --format openvino"):
        ExportOptions(format="onnx", precision="int8")
    with pytest.raises(ConfigError, match="0 to 100"):
        ExportOptions(format="onnx", max_drop=float("nan"))
