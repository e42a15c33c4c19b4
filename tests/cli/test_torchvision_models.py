"""Every command takes torchvision's detectors as it takes a model file, or says why not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision_weights import (
    CATEGORIES,
    SSDLITE,
    by_torchvision,
    noise,
    published_file,
    untrained,
    write_weights,
)

from yolokit.cli.main import main

PICTURES = [noise(90, 130), noise(160, 70, seed=1)]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights."""
    return write_weights(tmp_path_factory.mktemp("weights") / "w.pth", untrained(SSDLITE))


@pytest.fixture
def model(weights: Path) -> str:
    return f"torchvision:{SSDLITE}={weights}"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{number}.png" for number in range(len(PICTURES))]
    for file, pixels in zip(files, PICTURES, strict=True):
        Image.fromarray(pixels).save(file)
    return files


def by_itself(**settings: Any) -> list[dict[str, Any]]:
    """What torchvision finds in the pictures."""
    oracle = untrained(SSDLITE, **settings)
    return [by_torchvision(oracle, picture) for picture in PICTURES]


def test_pictures_are_detected_in(model: str, pictures: list[Path], tmp_path: Path) -> None:
    out, files = tmp_path / "out", [str(each) for each in pictures]
    assert main(["detect", model, *files, "--out", str(out), "--conf", "0.02", "--save-json"]) == 0
    records = json.loads((out / "detections.json").read_text())
    for record, expected in zip(records, by_itself(), strict=True):
        wanted = expected["scores"] > 0.02
        found = record["detections"][: int(wanted.sum())]
        assert [each["name"] for each in found] == [
            CATEGORIES[label] for label in expected["labels"][wanted]
        ]
        np.testing.assert_allclose(
            [each["box"] for each in found], expected["boxes"][wanted], atol=1e-3
        )
        np.testing.assert_allclose(
            [each["score"] for each in found], expected["scores"][wanted], atol=1e-5
        )
    assert sorted(each.name for each in out.glob("*.png")) == ["0.png", "1.png"]


def test_a_video_is_detected_in(model: str, tmp_path: Path) -> None:
    film, out = tmp_path / "film.avi", tmp_path / "out"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (130, 90))
    for seed in range(3):
        writer.write(noise(90, 130, seed))
    writer.release()
    assert main(["detect", model, str(film), "--out", str(out), "--save-json"]) == 0
    records = json.loads((out / "detections.json").read_text())
    assert [each["frame"] for each in records] == [0, 1, 2]
    assert all(each["detections"] for each in records)
    assert len(list(out.glob("film.*"))) == 1


def write_data(folder: Path, pictures: list[Path]) -> Path:
    """As truth what torchvision itself finds, under numbers that are not COCO's.

    Its best 300, and of a class the best 100 in a picture, which is what COCO counts.
    """
    every, annotations, images = by_itself(detections_per_img=100_000), [], []
    for number, (file, found) in enumerate(zip(pictures, every, strict=True)):
        counts: Counter[int] = Counter()
        height, width = PICTURES[number].shape[:2]
        images.append({"id": number, "file_name": file.name, "width": width, "height": height})
        for (x1, y1, x2, y2), label in zip(
            found["boxes"][:300].tolist(), found["labels"][:300].tolist(), strict=True
        ):
            counts[label] += 1
            if counts[label] > 100:
                continue
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1000 - label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": 1000 - number, "name": name}
        for number, name in enumerate(CATEGORIES)
        if name != "N/A"
    ]
    tree = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "val.json").write_text(json.dumps(tree))
    data = folder / "data.yaml"
    data.write_text(f"val: {{images: {folder}, annotations: {folder / 'val.json'}}}\n")
    return data


def test_what_torchvision_finds_is_scored_by_names(
    model: str, pictures: list[Path], tmp_path: Path
) -> None:
    data, scores = write_data(tmp_path, pictures), tmp_path / "scores.json"
    assert main(["eval", model, "--data", str(data), "--json", str(scores)]) == 0
    found = json.loads(scores.read_text())
    assert found["annotations"] > 100
    assert found["AP"] == pytest.approx(1.0)


def test_classes_that_coco_lacks_are_named(
    model: str, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path, pictures)
    tree = json.loads((tmp_path / "val.json").read_text())
    for category in tree["categories"]:
        category["name"] = f"a {category['name']}"
    (tmp_path / "val.json").write_text(json.dumps(tree))
    assert main(["eval", model, "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert "which the model does not know" in error and error.count("\n") == 1


@pytest.mark.slow
def test_it_is_timed(model: str, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", model, "--pictures", str(pictures[0]), "--runs", "1"]) == 0
    out = capsys.readouterr().out
    assert SSDLITE in out and " any " in out


def test_it_is_not_exported(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", model, "--format", "onnx"]) == 1
    error = capsys.readouterr().err
    assert "torchvision's own detectors are not exported here" in error
    assert error.startswith("error: ") and error.count("\n") == 1


def test_offline_is_one_line(
    tmp_path: Path,
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers
    out = tmp_path / "out"
    command = ["detect", f"torchvision:{SSDLITE}", str(pictures[0]), "--out", str(out)]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert published_file(SSDLITE) in error and f"torchvision:{SSDLITE}=FILE" in error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not out.exists()
