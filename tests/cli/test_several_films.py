"""Several sources in one command: what is wrong is told first, what is finished stays."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lane_model import Mover, draw_frame, write_frames, write_lane_model
from programs import ffmpeg_here

from yolokit.cli.main import main

FRAMES = 12
MOVERS = [Mover(0, 0, [2 + 4 * n for n in range(FRAMES)])]
COMMANDS = {"detect": "detections.json", "track": "tracks.json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_lane_model(tmp_path_factory.mktemp("model") / "lanes.onnx"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_film(name: str, *, size: tuple[int, int] = (96, 64), frames: int = FRAMES) -> str:
    """MJPEG; one red object that moves to the right."""
    writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"MJPG"), 12.5, size)
    for index in range(frames):
        bgr = draw_frame(MOVERS, index % FRAMES)[..., ::-1]
        writer.write(cv2.resize(bgr, size, interpolation=cv2.INTER_NEAREST))
    writer.release()
    return name


def write_noise(name: str, frames: int) -> str:
    """A film that no codec makes small."""
    writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (192, 128))
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 255, (128, 192, 3), dtype=np.uint8))
    writer.release()
    return name


def files(folder: str = "out") -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def sources(file: str) -> list[str]:
    records: list[dict[str, Any]] = json.loads(Path("out", file).read_text())
    return [each["source"] for each in records]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As a disk that becomes full: no file grows beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("option", "place"),
    [("--count-line", "90,0,90,60"), ("--count-zone", "60,0,90,0,90,20")],
)
def test_pixels_that_do_not_fit_a_later_film_are_told_first(
    model: str, option: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    films = [write_film("a.avi"), write_film("b.avi"), write_film("c.avi", size=(48, 32))]
    assert main(["track", model, *films, option, place, "--save-json", "--out", "out"]) == 1
    assert capsys.readouterr() == (
        "",
        f"error: c.avi: {place} lies outside the picture, which is 48x32 pixels. "
        "Give pixels inside it, or percent: 0,50%,100%,50%\n",
    )
    assert not Path("out").exists()


def test_so_are_they_of_a_folder_of_frames_and_before_the_model_is_looked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_frames(Path("shots"), MOVERS, 2)
    assert main(["track", "gone.onnx", "shots", "--count-line", "300,0,300,9"]) == 1
    assert capsys.readouterr().err.startswith("error: shots: 300,0,300,9 lies outside the picture")


def test_shares_fit_films_of_all_sizes(model: str) -> None:
    films = [write_film("a.avi"), write_film("c.avi", size=(192, 128))]
    words = ["--count-line", "0.25,0,0.25,1", "--count-line", "25%,0,25%,100%", "--save-json"]
    assert main(["track", model, *films, *words, "--out", "out"]) == 0
    records = json.loads(Path("out/tracks.json").read_text())
    for film in films:
        last = [each["counts"] for each in records if each["source"] == film][-1]
        assert last["line 1"] == last["line 2"] == {"in": {}, "out": {"red": 1}}


def test_what_fails_in_a_later_film_loses_nothing_that_is_finished(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder's fifth picture is smaller than the line: that cannot be known before."""
    write_film("a.avi")
    write_frames(Path("shots"), MOVERS, 8)
    small = cv2.resize(np.ascontiguousarray(draw_frame(MOVERS, 4)[..., ::-1]), (48, 32))
    cv2.imwrite("shots/f4.png", small)
    words = ["a.avi", "shots", "a.avi", "--count-line", "90,0,90,60", "--save-json", "--save-mot"]
    assert main(["track", model, *words, "--out", "out"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: shots: 90,0,90,60 lies outside the picture, which is 48x32")
    assert len(said.err.splitlines()) == 1
    assert said.out.startswith("a.avi: 12 frames, found 1 red (") and "shots" not in said.out
    assert said.out.splitlines()[-1] == "kept: out/a.mp4, out/tracks.json, out/mot/a.txt"
    kept = [name for name in files() if ".part." not in name]
    assert kept == ["a.mp4", "mot/a.txt", "tracks.json"]
    assert sources("tracks.json") == ["a.avi"] * FRAMES


@pytest.mark.parametrize("encoder", ["opencv", "ffmpeg"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_becomes_full_in_a_later_film_loses_nothing_that_is_finished(
    model: str,
    command: str,
    encoder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "") if encoder == "opencv" else ffmpeg_here()
    films = [write_film("a.avi"), write_noise("b.avi", 30), write_film("c.avi")]
    with largest_file(30_000):
        assert main([command, model, *films, "--save-json", "--out", "out"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: b.avi: ") and len(said.err.splitlines()) == 1
    assert "a.avi: 12 frames" in said.out and "c.avi" not in said.out
    file = COMMANDS[command]
    assert [name for name in files() if ".part." not in name] == ["a.mp4", file]
    assert sources(file) == ["a.avi"] * FRAMES
    capture = cv2.VideoCapture("out/a.mp4")
    assert sum(capture.read()[0] for _ in range(FRAMES + 1)) == FRAMES


@pytest.mark.parametrize("command", COMMANDS)
def test_records_that_do_not_fit_on_the_disk_are_those_of_the_film_that_failed(
    model: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    films = [write_film("a.avi"), write_film("b.avi", frames=200)]
    with largest_file(20_000):
        words = [*films, "--save-json", "--no-save-video", "--out", "out"]
        assert main([command, model, *words]) == 1
    file = COMMANDS[command]
    assert capsys.readouterr().err == (
        f"error: b.avi: writing failed: out/{file}: File too large. "
        "Make room there, or write elsewhere\n"
    )
    assert files() == [file] and sources(file) == ["a.avi"] * FRAMES


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_film_is_told_first_and_the_others_are_done(
    model: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.avi").write_bytes(b"nonsense")
    films = [write_film("a.avi"), "b.avi", write_film("c.avi")]
    assert main([command, model, *films, "--out", "out"]) == 3
    said = capsys.readouterr()
    assert said.err == "skipped: b.avi cannot be opened. Is it a video, and complete?\n"
    assert files() == ["a.mp4", "c.mp4"]
    assert main([command, "gone.onnx", *films, "--out", "out"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("skipped: b.avi cannot be opened.") and "error: " in said.err


@pytest.mark.parametrize("name", ["x.avi", "x.png"])
def test_what_cannot_be_read_is_told_before_the_model_is_looked_for(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(b"nonsense")
    assert main(["detect", "gone.onnx", name]) == 1
    said = capsys.readouterr().err
    assert name in said and "gone.onnx" not in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_camera_that_is_not_there_is_one_line(
    model: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, model, "97", "--out", "out"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: 97 cannot be opened. Is the camera")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_film_with_the_longest_name_that_there_can_be(model: str, command: str) -> None:
    films = [write_film("n" * 251 + ".avi"), write_film("n" * 250 + "m.avi")]
    assert main([command, model, *films, "--save-json", "--out", "out"]) == 0
    assert len(files()) == 3
