"""What a detector of real photos finds, it finds as an exported file too."""

from pathlib import Path

import pytest

import yolokit
from yolokit.models.export_record import ExportFormat

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(real_root: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of blood cells."""
    weights = real_root / "weights/mobilenet_v2_imagenet.pth"
    return yolokit.train(
        repository / "configs/yolo_mobilenet_v2_light.yaml",
        data=real_root / "data/bccd",
        overrides=[f"model.backbone.weights={weights}", "data.image_size=192"],
        run=tmp_path_factory.mktemp("real") / "cells",
        device="cpu",
        epochs=3,
        seed=0,
        quiet=True,
    )


@pytest.mark.parametrize(("form", "name"), [("onnx", "cells.onnx"), ("openvino", "cells")])
def test_ap_on_all_of_test_stays(run: Path, real_root: Path, form: ExportFormat, name: str) -> None:
    data = real_root / "data/bccd"
    exported = yolokit.load(run, device="cpu").export(form, out=run / name, data=data)
    before, after = (
        yolokit.evaluate(each, data=data, split="test", device="cpu").AP
        for each in (run, exported.path)
    )
    assert before > 0.3
    assert after == pytest.approx(before, abs=0.0005)
