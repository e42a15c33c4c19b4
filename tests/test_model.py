"""A loaded model in Python: it takes what ``yolokit detect`` takes, and says what it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import yolokit
from yolokit.cli.main import main
from yolokit.errors import ConfigError, ImageError, SourceError
from yolokit.inference.result import Result
from yolokit.model import Model
from yolokit.models.model_file import load_model


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return yolokit.load(tiny_model, device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``a.png``, ``b.png`` and ``film.avi`` with three frames; something else besides."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / name)
    film = cv2.VideoWriter(
        str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48)
    )
    for _ in range(3):
        film.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    film.release()
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def sources(results: list[Result]) -> list[tuple[str, int | None]]:
    return [(Path(each.source or "").name, each.frame) for each in results]


def test_a_folder_or_glob_of_pictures_is_a_list(model: Model, folder: Path) -> None:
    results = model.predict(str(folder / "*.png"), conf=0.1)
    assert isinstance(results, list)
    assert sources(results) == [("a.png", None), ("b.png", None)]
    assert results[0].pixels is None
    (folder / "film.avi").unlink()
    assert isinstance(model.predict(folder), list)
    assert sources(model.predict([folder, folder / "a.png"])) == [
        *(("a.png", None), ("b.png", None), ("a.png", None))
    ]


def test_frames_of_a_film_come_one_by_one_and_are_those_of_the_command(
    model: Model, tiny_model: Path, folder: Path
) -> None:
    results = model.predict(folder / "film.avi", conf=0, max_objects=4, classes=[1])
    assert not isinstance(results, list)
    found = list(results)
    assert sources(found) == [("film.avi", frame) for frame in range(3)]
    assert [each.pts_ms for each in found] == [0.0, 80.0, 160.0]
    command = ["detect", str(tiny_model), str(folder / "film.avi"), "--conf", "0", "-q"]
    command += ["--max-objects", "4", "--classes", "1", "--save-json", "--device", "cpu"]
    assert main([*command, "--out", str(folder / "out")]) == 0
    records = json.loads((folder / "out" / "detections.json").read_text())
    assert [each.to_dict()["frame"] for each in found] == [each["frame"] for each in records]
    for result, record in zip(found, records, strict=True):
        assert [each.name for each in result] == ["white"] * 4
        boxes = [each["box"] for each in record["detections"]]
        np.testing.assert_allclose(result.boxes, boxes, atol=1e-3)
        assert result.draw().size == (64, 48)


def test_everything_together_in_its_order(model: Model, folder: Path) -> None:
    grey = np.full((30, 20, 3), 90, np.uint8)
    results = list(model.predict([folder, grey, Image.fromarray(grey)], batch_size=2))
    assert sources(results) == [
        *(("a.png", None), ("b.png", None), ("film.avi", 0), ("film.avi", 1), ("film.avi", 2)),
        *(("", None), ("", None)),
    ]
    assert results[0].pixels is None and results[-1].image_hw == (30, 20)


def test_a_generator_of_names_is_read_as_results_are_asked_for(model: Model, folder: Path) -> None:
    asked: list[str] = []

    def names() -> Iterator[str]:
        for name in ("a.png", "film.avi", "b.png"):
            asked.append(name)
            yield str(folder / name)

    results = iter(model.predict(names(), batch_size=1))
    assert asked == []
    assert sources([next(results)]) == [("a.png", None)] and asked == ["a.png"]
    assert sources(list(results))[-1] == ("b.png", None)


def test_a_film_left_before_its_end_leaves_no_thread(model: Model, folder: Path) -> None:
    results = iter(model.predict(folder / "film.avi", batch_size=1))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if each.name == "decode"]


def test_pictures_stay_as_they_were(model: Model, folder: Path) -> None:
    with Image.open(folder / "a.png") as picture:
        pixels = np.asarray(picture)
    (of_file,) = model.predict(folder / "a.png", conf=0)
    (of_array,) = model.predict(pixels, conf=0)
    np.testing.assert_array_equal(of_file.boxes, of_array.boxes)
    assert model.predict([]) == []


def test_what_cannot_be_read_is_named(model: Model, folder: Path) -> None:
    with pytest.raises(ImageError, match=r"no picture at .*gone\.png"):
        model.predict(folder / "gone.png")
    with pytest.raises(SourceError, match="no file matches"):
        model.predict(str(folder / "*.jpg"))
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match="no picture or video in"):
        model.predict(folder / "empty")
    (folder / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(SourceError, match=r"broken\.mp4 cannot be opened"):
        list(model.predict(folder / "broken.mp4"))


def test_what_is_no_source_is_refused_at_once(model: Model, folder: Path) -> None:
    for given in (-1, True):
        with pytest.raises(ValueError, match="expected the number of a camera"):
            model.predict(given)
    with pytest.raises(ValueError, match=r"expected a path.* got NoneType"):
        model.predict(None)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="no class 'green'"):
        model.predict(folder / "film.avi", classes="green")
    with pytest.raises(ValueError, match="batch_size must be"):
        model.predict(folder / "film.avi", batch_size=0)


def test_a_model_says_what_it_is(model: Model, tiny_model: Path) -> None:
    count = sum(each.numel() for each in load_model(tiny_model)[0].parameters()) / 1e6
    kind = f"yolov1 on squeezenet1_1, {count:.3g} million parameters"
    assert repr(model) == f"<Model {kind}, 2 classes, on cpu>"
    facts = dict(line.split(maxsplit=1) for line in str(model).splitlines())
    assert facts["model"] == kind
    assert facts["input"] == "64x64 px" and facts["classes"] == "2: red, white"
    assert facts["file"] == str(tiny_model)
    table = model._repr_html_()
    assert table.count("<tr>") == len(str(model).splitlines()) and "2: red, white" in table
