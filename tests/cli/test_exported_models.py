"""``detect`` and ``eval`` take exported models as they take a model file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exported_files import CATEGORY_IDS, HW, NAMES, NMS, make_card, write_onnx, write_openvino
from PIL import Image

from yolokit.cli.main import main


@pytest.fixture(params=["onnx", "openvino"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind: str = request.param
    write: Callable[..., Path] = write_onnx if kind == "onnx" else write_openvino
    return write(tmp_path / f"cells.{kind}", make_card(format=kind))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures, each with one cell of each colour, as COCO data: all of it can be found."""
    folder, images, annotations = tmp_path / "data", [], []
    (folder / "images/val").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for number in range(3):
        picture = np.zeros((*HW, 3), dtype=np.uint8)
        for label, category_id in enumerate(CATEGORY_IDS):
            x, y = 32 * label, 16 * number
            picture[y : y + 16, x : x + 16, label] = 255 - 20 * number
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category_id,
                    "bbox": [x, y, 16, 16],
                    "area": 256,
                    "iscrowd": 0,
                }
            )
        Image.fromarray(picture).save(folder / f"images/val/{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": HW[1], "height": HW[0]})
    categories = [{"id": i, "name": n} for i, n in zip(CATEGORY_IDS, NAMES, strict=True)]
    tree = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations/instances_val.json").write_text(json.dumps(tree))
    return folder


def test_pictures_are_detected_in(model: Path, data: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "out", data / "images/val/1.png"
    assert main(["detect", str(model), str(picture), "--out", str(out), "--save-json"]) == 0
    (record,) = json.loads((out / "detections.json").read_text())
    assert [(each["name"], each["box"]) for each in record["detections"]] == [
        ("red", [0, 16, 16, 32]),
        ("green", [32, 16, 48, 32]),
        ("blue", [64, 16, 80, 32]),
    ]
    assert [each["score"] for each in record["detections"]] == pytest.approx(
        [235 / 255] * 3, abs=0.004
    )
    assert (out / "1.png").is_file()


def test_ap_is_that_of_perfect_detections(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(model), "--data", str(data), "--json", str(tmp_path / "scores.json")]
    assert main([*arguments, "--precision", "f32"]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["AP"] == pytest.approx(1)
    assert set(scores["per_class"]) == set(NAMES)
    assert capsys.readouterr().out.splitlines()[-1].endswith(" on cpu in f32")


def test_a_precision_that_a_file_cannot_have_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_onnx(tmp_path / "cells.onnx", make_card(precision="int8"))
    for command in (["detect", str(model), str(data)], ["eval", str(model), "--data", str(data)]):
        assert main([*command, "--precision", "f32"]) == 1
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and said[0].startswith("error: ") and "int8" in said[0]


def test_nms_inside_is_told_of(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_onnx(tmp_path / "cells.onnx", make_card(nms=NMS))
    assert main(["eval", str(model), "--data", str(data)]) == 0
    assert "what scores more than 0.25" in capsys.readouterr().err
    out = str(tmp_path / "out")
    assert main(["detect", str(model), str(data), "--iou", "0.3", "--out", out]) == 1
    assert "NMS inside" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_trained_from_an_exported_model(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "--from", str(model), "--data", str(data), "--run", run]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "exported model" in said[0]
    assert not Path(run).exists()
