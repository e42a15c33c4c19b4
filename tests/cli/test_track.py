"""``yolokit track`` as a stranger types it, on films whose truth is known, by ONNX Runtime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lane_model import Mover, draw_frame, write_frames, write_lane_model
from PIL import Image

import yolokit
from yolokit.cli.main import main
from yolokit.errors import ConfigError

FRAMES = 30
# Two reds one below the other, to the right and to the left; a green one that is weak for a while
# and hidden for five frames; a blue one that comes late.
MOVERS = [
    Mover(0, 0, [2 + 2 * n for n in range(FRAMES)]),
    Mover(1, 0, [80 - 2 * n for n in range(FRAMES)]),
    Mover(
        2,
        1,
        [None if 10 <= n < 15 else 10 + 2 * n for n in range(FRAMES)],
        score=[0.15 if n in (6, 7, 8) else 0.8 for n in range(FRAMES)],
    ),
    Mover(3, 2, [None] * 12 + [3 * n for n in range(FRAMES - 12)]),
]
Track = Callable[..., int]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lane_model(tmp_path_factory.mktemp("model") / "lanes.onnx")


@pytest.fixture
def track(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Track:
    """Runs in ``tmp_path``, where ``shots`` is the film as pictures."""
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "shots", MOVERS, FRAMES)

    def run(*arguments: str | Path) -> int:
        return main(["track", str(model), *map(str, arguments)])

    return run


def records(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def ids_by_place(frame: dict[str, Any]) -> dict[tuple[int, int], int | None]:
    """(lane, label) -> track id."""
    return {
        (int(each["box"][1]) // 16, each["label"]): each["track_id"] for each in frame["detections"]
    }


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_object_keeps_its_id(track: Track, tmp_path: Path) -> None:
    assert track("shots", "--save-json", "--save-mot", "--tail", "1", "--out", "out") == 0
    assert files(tmp_path / "out") == ["mot/shots.txt", "shots.mp4", "tracks.json"]
    seen = records(tmp_path / "out/tracks.json")
    assert [each["frame"] for each in seen] == list(range(FRAMES))
    assert [each["pts_ms"] for each in seen[:3]] == [0, 40, 80]
    for index, frame in enumerate(seen):
        ids = ids_by_place(frame)
        assert sorted(each["box"] for each in frame["detections"]) == sorted(
            list(map(float, box)) for mover in MOVERS if (box := mover.box(index)) is not None
        )
        if index:
            assert ids[0, 0] == 1 and ids[1, 0] == 2
        assert ids.get((2, 1), 3) == (3 if index else None)  # weak or hidden for 0.2 s: still 3
        assert ids.get((3, 2), 4) == (4 if index != 12 else None)
    mot = np.loadtxt(tmp_path / "out/mot/shots.txt", delimiter=",")
    assert len(mot) == sum(
        each["track_id"] is not None for frame in seen for each in frame["detections"]
    )


def test_the_drawn_film_has_every_frame(track: Track, tmp_path: Path) -> None:
    assert track("shots", "--fps", "10", "--out", "out") == 0
    capture = cv2.VideoCapture(str(tmp_path / "out/shots.mp4"))
    count = 0
    while capture.read()[0]:
        count += 1
    assert (count, capture.get(cv2.CAP_PROP_FPS)) == (FRAMES, 10)


def test_what_is_said(track: Track, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("shots", "--no-save-video") == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("shots: 30 frames, found 2 red, 1 green, 1 blue (")
    table = [line.split() for line in lines[2:7]]
    assert table == [
        ["class", "objects", "boxes", "frames"],
        ["red", "2", "60", "30"],
        ["green", "1", "25", "25"],
        ["blue", "1", "18", "18"],
        ["all", "4", "103", "of", "30"],
    ]
    assert lines[-1].endswith("; nothing written")
    assert captured.err == ""


def test_json_prints_the_records_and_nothing_else(
    track: Track, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track("shots", "--json", "--save-json", "--no-save-video", "--out", "out") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == records(tmp_path / "out/tracks.json")


def test_quiet_says_nothing(track: Track, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("shots", "-q", "--out", "out") == 0
    assert capsys.readouterr() == ("", "")


def test_only_some_classes(track: Track, tmp_path: Path) -> None:
    assert track("shots", "--classes", "blue", "--save-json", "--out", "out") == 0
    seen = records(tmp_path / "out/tracks.json")
    assert {each["name"] for frame in seen for each in frame["detections"]} == {"blue"}


def test_a_film_with_no_objects(track: Track, tmp_path: Path) -> None:
    write_frames(tmp_path / "empty", [], 5)
    assert track("empty", "--save-json", "--save-mot", "--out", "out") == 0
    assert all(frame["detections"] == [] for frame in records(tmp_path / "out/tracks.json"))
    assert (tmp_path / "out/mot/empty.txt").read_text() == ""


def test_a_film_that_changes_size(track: Track, tmp_path: Path) -> None:
    """The second half is twice as large: boxes are of each frame's own pixels."""
    shots = tmp_path / "grows"
    shots.mkdir()
    for index in range(8):
        image = Image.fromarray(draw_frame(MOVERS[:1], index))
        size = image.size if index < 4 else (192, 128)
        image.resize(size, Image.Resampling.NEAREST).save(shots / f"{index}.png")
    assert track("grows", "--save-json", "--out", "out") == 0
    seen = records(tmp_path / "out/tracks.json")
    assert [each["width"] for each in seen] == [96] * 4 + [192] * 4
    assert len(seen[7]["detections"]) == 1
    assert files(tmp_path / "out") == ["grows.mp4", "tracks.json"]


def test_several_films_have_ids_of_their_own(track: Track, tmp_path: Path) -> None:
    write_frames(tmp_path / "more", MOVERS[3:], 16)
    assert track("shots", "more", "--save-json", "--save-mot", "--out", "out") == 0
    assert {"mot/more.txt", "mot/shots.txt"} <= set(files(tmp_path / "out"))
    seen = [each for each in records(tmp_path / "out/tracks.json") if each["source"] == "more"]
    assert [each["track_id"] for each in seen[-1]["detections"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["shots/f1.png"], 1, "is one picture, in which nothing moves"),
        (["gone.mp4"], 1, "no source 'gone.mp4'"),
        (["shots", "--tracker", "deepsort"], 2, "'deepsort' is not one of"),
        (["shots", "--fps", "0"], 2, "0.0 is not in the range"),
        (["shots", "--tail", "-1"], 2, "-1.0 is not in the range"),
        (["shots", "--classes", "purple"], 1, "purple"),
    ],
)
def test_what_cannot_be_is_one_line(
    track: Track,
    arguments: list[str],
    status: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert track(*arguments) == status
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and told in captured.err
    assert not (tmp_path / "runs" / "track").exists()


def test_a_picture_that_cannot_be_read_is_told(
    track: Track, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shots/f5.png").write_bytes(b"nonsense")
    assert track("shots", "--save-json", "--out", "out") == 3
    assert "skipped: cannot decode shots/f5.png" in capsys.readouterr().err
    seen = records(tmp_path / "out/tracks.json")
    assert [each["frame"] for each in seen] == [n for n in range(FRAMES) if n != 5]
    assert all(ids_by_place(frame)[0, 0] == 1 for frame in seen[1:])


def endless(tmp_path: Path, model: Path) -> subprocess.Popen[str]:
    """A film long enough to be interrupted, once it says its first frame."""
    write_frames(tmp_path / "long", [], 2)
    for n in range(2, 3000):
        (tmp_path / f"long/f{n}.png").symlink_to("f0.png")
    command = [sys.executable, "-m", "yolokit", "track", str(model), "long", "--out", "out"]
    command += ["--json", "--save-json", "--save-mot"]
    here = str(Path(yolokit.__file__).parents[1])
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": here, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for _ in range(12):
        assert process.stdout.readline()
    return process


def test_a_signal_finishes_the_files(model: Path, tmp_path: Path) -> None:
    process = endless(tmp_path, model)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopping: finishing the files, again to give up\n"
    assert files(tmp_path / "out") == ["long.mp4", "mot/long.txt", "tracks.json"]
    seen = records(tmp_path / "out/tracks.json")
    assert [each["frame"] for each in seen] == list(range(len(seen))) and 12 <= len(seen) < 3000


def test_a_killed_run_leaves_no_half_file_under_a_final_name(model: Path, tmp_path: Path) -> None:
    process = endless(tmp_path, model)
    process.kill()
    process.communicate(timeout=60)
    left = files(tmp_path / "out")
    assert left
    assert all(name.rpartition("/")[2].startswith(".") or ".part." in name for name in left)


def test_python_gives_the_same_ids_as_they_come(track: Track, model: Path, tmp_path: Path) -> None:
    assert track("shots", "--save-json", "--out", "out") == 0
    results = yolokit.load(model).track("shots")
    first = next(results)
    assert (first.frame, first.pts_ms) == (0, 0.0)
    assert first.track_ids is not None and set(first.track_ids.tolist()) == {-1}
    told = [first.to_dict(), *(result.to_dict() for result in results)]
    assert told == records(tmp_path / "out/tracks.json")


def test_python_takes_pictures_in_memory(model: Path) -> None:
    frames = (draw_frame(MOVERS, index) for index in range(FRAMES))
    results = list(yolokit.load(model).track(frames, fps=10.0))
    assert [result.pts_ms for result in results[:3]] == [0.0, 100.0, 200.0]
    last = {(each.name, each.box[1] // 16): each.track_id for each in results[-1]}
    assert last == {("red", 0): 1, ("red", 1): 2, ("green", 2): 3, ("blue", 3): 4}
    ids = [each.track_id for each in results[-1]]
    assert results[-1].to_supervision().tracker_id.tolist() == ids


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"tracker": "deepsort"}, ConfigError, "no tracker 'deepsort'. Choose bytetrack or ocsort"),
        ({"fps": 0.0}, ValueError, "fps must be above 0, got 0.0"),
        ({"conf": 2.0}, ValueError, "conf must be from 0 to 1, got 2.0"),
    ],
)
def test_python_refuses_what_cannot_be_at_once(
    model: Path, asked: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as raised:
        yolokit.load(model).track([], **asked)
    assert str(raised.value) == told
