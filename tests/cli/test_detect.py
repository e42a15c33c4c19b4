"""``yolokit detect`` as a stranger types it, down to signals and full exit statuses."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from programs import ffmpeg_here

import yolokit
from yolokit.cli.main import main
from yolokit.config import PredictConfig
from yolokit.models.model_file import load_model, save_model

Detect = Callable[..., int]


@pytest.fixture
def detect(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Runs in ``tmp_path``; every box of the untrained model is reported."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        return main(
            ["detect", str(tiny_model), *map(str, arguments), "--device", "cpu", "--conf", "0"]
        )

    return run


def save_noise(path: Path, seed: int = 0, size: tuple[int, int] = (50, 40)) -> Path:
    """A picture that the untrained model sees something in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def save_video(
    path: Path, frames: int, *, fps: float = 12.5, size: tuple[int, int] = (64, 48)
) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (8, size[1], size[0], 3), dtype=np.uint8)
    for number in range(frames):
        writer.write(images[number % len(images)])
    writer.release()
    return path


def probe(path: Path) -> tuple[int, float]:
    """Frames that decode, and frames a second."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count, capture.get(cv2.CAP_PROP_FPS)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pictures_of_one_name(detect: Detect, tmp_path: Path) -> None:
    save_noise(tmp_path / "a" / "x.png")
    save_noise(tmp_path / "b" / "x.png", seed=1)
    assert detect("a", "b/*.png", "--out", "out", "--save-json") == 0
    assert files(tmp_path / "out") == ["b_x.png", "detections.json", "x.png"]
    records = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [(each["source"], each["frame"]) for each in records] == [("a/x.png", 0), ("b/x.png", 0)]
    assert (records[0]["width"], records[0]["height"]) == (50, 40)
    for found in records[0]["detections"]:
        x1, y1, x2, y2 = found["box"]
        assert 0 <= x1 < x2 <= 50 and 0 <= y1 < y2 <= 40
        assert found["name"] == ["red", "white"][found["label"]]
    assert records[0]["detections"]
    with Image.open(tmp_path / "out" / "x.png") as drawn, Image.open(tmp_path / "a/x.png") as plain:
        assert drawn.size == plain.size
        assert drawn.tobytes() != plain.tobytes()


def test_sources_are_never_overwritten(detect: Detect, tmp_path: Path) -> None:
    source = save_noise(tmp_path / "x.png")
    before = source.read_bytes()
    assert detect("x.png", "--out", ".") == 0
    assert source.read_bytes() == before
    assert len(files(tmp_path)) == 2


def test_frames_out_are_frames_in(detect: Detect, tmp_path: Path) -> None:
    save_video(tmp_path / "film.avi", frames=30, fps=30000 / 1001)
    assert detect("film.avi", "--save-json") == 0
    out = tmp_path / "runs" / "detect"
    assert files(out) == ["detections.json", "film.mp4"]
    frames, fps = probe(out / "film.mp4")
    assert (frames, fps) == (30, pytest.approx(29.97, abs=0.005))
    records = json.loads((out / "detections.json").read_text())
    assert [record["frame"] for record in records] == list(range(30))


def test_no_video_wanted(detect: Detect, tmp_path: Path) -> None:
    save_video(tmp_path / "film.avi", frames=3)
    save_noise(tmp_path / "x.png")
    assert detect("film.avi", "x.png", "--no-save-video", "--save-json", "--out", "out") == 0
    assert files(tmp_path / "out") == ["detections.json", "x.png"]


def test_no_pictures_wanted(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is asked for, and the same detections."""
    save_noise(tmp_path / "x.png")
    assert detect("x.png", "--out", "all", "--save-json") == 0
    assert detect("x.png", "--out", "json", "--no-save-images", "--save-json") == 0
    assert files(tmp_path / "json") == ["detections.json"]
    found = [tmp_path / folder / "detections.json" for folder in ("all", "json")]
    assert found[0].read_text() == found[1].read_text() != "[]\n"
    capsys.readouterr()
    assert detect("x.png", "--no-save-images", "--out", "none") == 0
    assert capsys.readouterr().out.endswith("nothing written\n")
    assert not (tmp_path / "none").exists()


def test_paths_on_stdin(detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_noise(tmp_path / "x.png")
    monkeypatch.setattr("sys.stdin", io.StringIO("x.png\ngone.png\n"))
    assert detect("-", "--out", "out") == 3
    assert files(tmp_path / "out") == ["x.png"]


def test_unreadable_input_is_skipped_and_told(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "in" / "a.png")
    cut = save_noise(tmp_path / "in" / "b.png")
    cut.write_bytes(cut.read_bytes()[:500])
    (tmp_path / "in" / "c.mp4").write_bytes(b"nonsense")
    assert detect("in", "--out", "out") == 3
    captured = capsys.readouterr()
    assert files(tmp_path / "out") == ["a.png"]
    lines = [line for line in captured.err.splitlines() if line.startswith("skipped: ")]
    # films before the model is loaded, pictures as they are read
    assert ["c.mp4" in lines[0], "b.png" in lines[1], len(lines)] == [True, True, 2]
    assert captured.out.splitlines()[-1].startswith("1 picture, ")


def test_nothing_readable_is_an_error(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.png").write_bytes(b"nonsense")
    assert detect("x.png", "--out", "out", "--save-json") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "x.png" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists() or files(tmp_path / "out") == []


@pytest.mark.parametrize("word", ["gone.png", "*.png", "empty"])
def test_a_source_that_is_not_there(
    detect: Detect, tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert detect(word) == 1
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def test_a_data_set_without_pictures(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}'
    for split in ("train", "val"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "_annotations.coco.json").write_text(nothing)
    assert detect("set") == 1
    told = "error: the data set set lists no picture. Give one that does\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("arguments", [[], ["model"], ["model", "x.png", "--conf", "2"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert main(["detect", *arguments]) == 2


def test_a_data_set_gives_coco_rows(detect: Detect, tmp_path: Path) -> None:
    for split in ("valid", "test"):
        save_noise(tmp_path / "data" / split / "x.png")
        tree = {
            "images": [{"id": 7, "file_name": "x.png", "width": 50, "height": 40}],
            "annotations": [],
            "categories": [{"id": 4, "name": "white"}, {"id": 3, "name": "green"}],
        }
        (tmp_path / "data" / split / "_annotations.coco.json").write_text(json.dumps(tree))
    assert detect("data", "--out", "out", "--save-json") == 0
    assert files(tmp_path / "out") == [
        "detections_test.json",
        "detections_val.json",
        "test/x.png",
        "val/x.png",
    ]
    rows = json.loads((tmp_path / "out" / "detections_val.json").read_text())
    assert {(row["image_id"], row["category_id"]) for row in rows} == {(7, 4)}  # white; not 90
    assert set(rows[0]) == {"image_id", "category_id", "bbox", "score"}


def test_show_without_a_window_goes_on(
    detect: Detect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("yolokit.serving.watch.windows_work", lambda: False)
    save_noise(tmp_path / "x.png")
    assert detect("x.png", "--show", "--out", "out") == 0
    assert "no window can be opened here; watch at http://127.0.0.1:" in capsys.readouterr().err
    assert files(tmp_path / "out") == ["x.png"]


@pytest.fixture(params=["film.part.mkv", "film.part.mp4"])
def part_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a film that is being written: by OpenCV, then by ffmpeg."""
    name: str = request.param
    if name.endswith(".mp4"):
        ffmpeg_here()
    else:
        monkeypatch.setenv("PATH", "")
    return name


def start_long_run(model: Path, folder: Path, part_name: str) -> subprocess.Popen[str]:
    """Detect in a video that takes long, and wait until some of the result is on the disk."""
    save_video(folder / "film.avi", frames=5000, size=(192, 144))
    command = [sys.executable, "-m", "yolokit", "detect", str(model), "film.avi"]
    process = subprocess.Popen(
        [*command, "--out", "out", "--save-json", "--device", "cpu"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    part = folder / "out" / part_name
    for _ in range(1800):  # 90 seconds
        if part.exists() and part.stat().st_size >= 2000:
            return process
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    process.kill()
    raise AssertionError(process.communicate())


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_files(
    tiny_model: Path, tmp_path: Path, part_name: str, number: signal.Signals, status: int
) -> None:
    process = start_long_run(tiny_model, tmp_path, part_name)
    os.killpg(process.pid, number)  # as a terminal does
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert files(tmp_path / "out") == ["detections.json", "film.mp4"]
    records = json.loads((tmp_path / "out" / "detections.json").read_text())
    frames, fps = probe(tmp_path / "out" / "film.mp4")
    assert (frames, fps) == (len(records), 12.5)
    assert 0 < frames < 5000
    assert f"{frames} frames" in output
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_file_under_a_final_name(
    tiny_model: Path, tmp_path: Path, part_name: str
) -> None:
    process = start_long_run(tiny_model, tmp_path, part_name)
    process.kill()
    process.communicate(timeout=60)
    left = [name for name in files(tmp_path / "out") if not name.startswith(".")]
    assert left == [part_name]
    assert probe(tmp_path / "out" / part_name)[0] > 0


@pytest.mark.slow
def test_a_real_video(real_root: Path, tiny_model: Path, tmp_path: Path) -> None:
    film = real_root / "video" / "car-detection.mp4"
    before = film.read_bytes()
    out = tmp_path / "out"
    assert main(["detect", str(tiny_model), str(film), "--out", str(out), "--save-json"]) == 0
    assert probe(out / "car-detection.mp4") == (377, 12.5)
    records = json.loads((out / "detections.json").read_text())
    assert [record["frame"] for record in records] == list(range(377))
    assert records[-1]["pts_ms"] == 376 * 80
    assert (records[0]["width"], records[0]["height"]) == (768, 432)
    assert film.read_bytes() == before


def _count(folder: Path) -> int:
    (record,) = json.loads((folder / "detections.json").read_text())
    return len(record["detections"])


def test_what_is_not_given_is_the_models_own(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model keeps 5 objects and suppresses nothing; the command used to say 0.65 always."""
    detector, card = load_model(tiny_model)
    predict = PredictConfig(iou_threshold=1.0, max_detections=5)
    save_model(tmp_path / "m.safetensors", detector, card.model_copy(update={"predict": predict}))
    picture = save_noise(tmp_path / "x.png")
    command = ["detect", str(tmp_path / "m.safetensors"), str(picture), "--conf", "0"]
    command += ["--device", "cpu", "--save-json", "--out"]
    everything = [*command, str(tmp_path / "all"), "--max-objects", "100000"]
    assert main(everything) == 0
    assert "note" not in capsys.readouterr().err
    assert main([*everything[:-3], str(tmp_path / "some"), *everything[-2:], "--iou", "0"]) == 0
    assert _count(tmp_path / "all") > _count(tmp_path / "some") > 0
    capsys.readouterr()
    assert main([*command, str(tmp_path / "own")]) == 0
    assert _count(tmp_path / "own") == 5
    assert "1 frame has 5 objects, the most that are kept. --max-obj" in capsys.readouterr().err


def test_a_second_run_destroys_nothing(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "a" / "x.png")
    save_noise(tmp_path / "b" / "x.png", seed=1)
    for folder in ("a", "b"):
        assert detect(f"{folder}/x.png", "--save-json") == 0
    assert files(tmp_path / "runs") == [
        *("detect-2/detections.json", "detect-2/x.png", "detect/detections.json", "detect/x.png")
    ]
    for folder in ("a", "b"):
        assert detect(f"{folder}/x.png", "--save-json", "--out", "out") == 0
    assert files(tmp_path / "out") == ["b_x.png", "detections-2.json", "detections.json", "x.png"]
    sources = [
        json.loads((tmp_path / "out" / name).read_text())[0]["source"]
        for name in ("detections.json", "detections-2.json")
    ]
    assert sources == ["a/x.png", "b/x.png"]
    assert "detections.json is kept; writing out/detections-2.json" in capsys.readouterr().err


def test_a_run_that_fails_leaves_no_empty_folder(detect: Detect, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"nonsense")
    assert detect("x.png") == 1
    assert not (tmp_path / "runs" / "detect").exists()


def test_only_some_classes(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "x.png")

    def found(*arguments: str) -> list[tuple[str, list[float]]]:
        detect("x.png", "--save-json", "--out", tmp_path / " ".join(arguments), *arguments)
        records = json.loads((tmp_path / " ".join(arguments) / "detections.json").read_text())
        return [(each["name"], each["box"]) for each in records[0]["detections"]]

    everything = found("--max-objects", "1000")
    white = [each for each in everything if each[0] == "white"]
    assert 3 < len(white) < len(everything)
    assert found("--classes", "white", "--max-objects", "1000") == white
    assert found("--classes", "white", "--max-objects", "3") == white[:3]  # none crowded out
    assert found("--classes", " white, red", "--max-objects", "1000") == everything
    capsys.readouterr()
    assert detect("x.png", "--classes", "blue,white") == 1
    error = capsys.readouterr().err
    assert error == "error: the model knows no class 'blue'. Its classes are red, white\n"
    assert detect("x.png", "--classes", "Whit") == 1
    assert "no class 'Whit'. Did you mean white? Its" in capsys.readouterr().err
    assert detect("x.png", "--classes", "2") == 1
    assert "no class 2. Numbers are labels, 0 to 1, not category" in capsys.readouterr().err
    assert found("--classes", "1", "--max-objects", "3") == white[:3]


def test_pictures_of_a_phones_folder_are_read_or_named(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "IMG.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert detect("in", "--out", "out") == 3
    assert "IMG.HEIC is a HEIC picture" in capsys.readouterr().err
    assert detect("in/IMG.HEIC", "--out", "out") == 1
    assert "Convert it to JPEG" in capsys.readouterr().err


def _read_yolo_text(path: Path, size_wh: tuple[int, int]) -> list[tuple[int, list[float], float]]:
    """Label, xyxy box in pixels and score of each line."""
    found = []
    for line in path.read_text().splitlines():
        label, cx, cy, w, h, score = map(float, line.split())
        corners = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        pixels = [corner * side for corner, side in zip(corners, size_wh * 2, strict=True)]
        found.append((int(label), pixels, score))
    return found


def test_text_reads_back_to_the_same_boxes(detect: Detect, tmp_path: Path) -> None:
    save_noise(tmp_path / "a" / "x.png", size=(503, 407))
    save_noise(tmp_path / "b" / "x.png", seed=1)
    detect("a", "b", "--save-txt", "--save-json", "--out", "out")
    records = json.loads((tmp_path / "out" / "detections.json").read_text())
    for record, name in zip(records, ("x.txt", "b_x.txt"), strict=True):
        read = _read_yolo_text(
            tmp_path / "out" / "labels" / name, (record["width"], record["height"])
        )
        assert [each[0] for each in read] == [each["label"] for each in record["detections"]]
        for (_, box, score), expected in zip(read, record["detections"], strict=True):
            assert box == pytest.approx(expected["box"], abs=1e-4)
            assert score == pytest.approx(expected["score"], abs=1e-6)
    assert records[0]["detections"] and records[1]["detections"]


def test_a_picture_with_nothing_in_it_has_an_empty_text(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_noise(tmp_path / "x.png")
    nothing = ["detect", str(tiny_model), "x.png", "--conf", "1", "--device", "cpu"]
    assert main([*nothing, "--save-txt", "--save-crops", "--out", "out"]) == 0
    assert files(tmp_path / "out") == ["labels/x.txt", "x.png"]
    assert (tmp_path / "out/labels/x.txt").read_text() == ""


def test_crops_are_the_pixels_of_the_picture(detect: Detect, tmp_path: Path) -> None:
    with Image.open(save_noise(tmp_path / "x.png", size=(120, 90))) as picture:
        pixels = np.asarray(picture)
    detect("x.png", "--save-crops", "--save-json", "--out", "out", "--max-objects", "6")
    (record,) = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert len(record["detections"]) == 6
    for number, found in enumerate(record["detections"], 1):
        x1, y1, x2, y2 = found["box"]
        rows, columns = slice(int(y1), -int(-y2 // 1)), slice(int(x1), -int(-x2 // 1))
        with Image.open(tmp_path / "out" / "crops" / found["name"] / f"x-{number}.png") as crop:
            assert np.array_equal(np.asarray(crop), pixels[rows, columns])


def test_crops_and_texts_of_a_film_are_numbered_by_frame(detect: Detect, tmp_path: Path) -> None:
    save_video(tmp_path / "film.avi", frames=3)
    detect("film.avi", "--save-crops", "--save-txt", "--max-objects", "1", "--out", "out")
    texts = [f"film-{frame:06d}.txt" for frame in range(3)]
    assert files(tmp_path / "out" / "labels") == texts
    crops = [Path(name).name for name in files(tmp_path / "out" / "crops")]
    assert sorted(crops) == [f"film-{frame:06d}-1.png" for frame in range(3)]


def test_crops_and_texts_of_an_earlier_run_stay(detect: Detect, tmp_path: Path) -> None:
    save_noise(tmp_path / "x.png")
    arguments = ("x.png", "--save-crops", "--save-txt", "--max-objects", "1", "--out", "out")
    assert detect(*arguments) == detect(*arguments) == 0
    names = files(tmp_path / "out")
    assert [name for name in names if "labels" in name] == ["labels-2/x.txt", "labels/x.txt"]
    assert len([name for name in names if name.startswith("crops-2/")]) == 1


def test_class_names_that_are_no_folder_names(tmp_path: Path, tiny_model: Path) -> None:
    detector, card = load_model(tiny_model)
    odd = card.model_copy(update={"class_names": ["../up", "_.UP"]})
    save_model(tmp_path / "m.safetensors", detector, odd)
    picture = save_noise(tmp_path / "x.png")
    arguments = ["detect", str(tmp_path / "m.safetensors"), str(picture), "--conf", "0"]
    arguments += ["--device", "cpu", "--save-crops", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert {Path(name).parts[0] for name in files(tmp_path / "out")} == {"x.png", "crops"}
    folders = {Path(name).parts[1] for name in files(tmp_path / "out") if "crops" in name}
    assert folders == {"up", "UP_1"}


def test_each_picture_has_a_line_and_the_end_a_table(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "in" / "a.png")
    save_noise(tmp_path / "in" / "b.png", seed=1)
    assert detect("in", "--out", "out", "--max-objects", "3", "--save-json") == 0
    lines = capsys.readouterr().out.splitlines()
    records = json.loads((tmp_path / "out" / "detections.json").read_text())
    totals = {"red": 0, "white": 0}
    for number, (line, record) in enumerate(zip(lines[:2], records, strict=True), 1):
        names = [each["name"] for each in record["detections"]]
        for name in names:
            totals[name] += 1
        counts = {name: names.count(name) for name in ("red", "white") if name in names}
        said = re.fullmatch(rf"{number}/2 in/{'ab'[number - 1]}.png: (.*) \(\d+ ms\)", line)
        assert said and set(said[1].split(", ")) == {f"{n} {name}" for name, n in counts.items()}
    assert lines[2:4] == ["", "class  objects  pictures"]
    table = {line.split()[0]: line.split()[1] for line in lines[4:-2]}
    assert table == {name: str(n) for name, n in totals.items() if n} | {"all": "6"}
    assert lines[-1].startswith("2 pictures, ") and lines[-1].endswith("3 files written to out")


def test_one_picture_is_one_line(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = save_noise(tmp_path / "x.png"), tmp_path / "out"
    nothing = ["detect", str(tiny_model), str(picture), "--conf", "1", "--device", "cpu"]
    assert main([*nothing, "--out", str(out)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{picture}: nothing \(\d+ ms\)", first)
    assert last.endswith(f"written: {out / 'x.png'}")


def test_a_film_is_one_line_and_no_control_character(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_video(tmp_path / "film.avi", frames=5)
    assert detect("film.avi", "--max-objects", "2", "--no-save-video") == 0
    captured = capsys.readouterr()
    assert re.match(r"film\.avi: 5 frames, found (.*) \(\d+ ms a frame\)\n", captured.out)
    assert "\r" not in captured.out + captured.err


def test_quiet_says_only_what_is_amiss(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"nonsense")
    assert detect("in", "--out", "out", "-q") == 3
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("skipped: ")
    assert files(tmp_path / "out") == ["a.png"]


def test_json_prints_the_records_and_nothing_else(
    detect: Detect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "x.png")
    save_video(tmp_path / "film.avi", frames=3)
    assert detect("x.png", "film.avi", "--out", "out", "--json", "--save-json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records == json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [each["frame"] for each in records] == [0, 0, 1, 2]


def test_lines_and_labels_as_wanted(tiny_model: Path, tmp_path: Path) -> None:
    picture = save_noise(tmp_path / "x.png", size=(300, 200))
    (result,) = yolokit.load(tiny_model, device="cpu").predict([picture], conf=0, max_objects=3)
    for more, expected in (
        ([], result.draw()),
        (["--hide-labels"], result.draw(labels=False)),
        (["--line-width", "9"], result.draw(line_width=9)),
    ):
        out = tmp_path / " ".join(["out", *more])
        arguments = ["detect", str(tiny_model), str(picture), "--out", str(out), "--conf", "0"]
        assert main([*arguments, "--device", "cpu", "--max-objects", "3", *more]) == 0
        with Image.open(out / "x.png") as drawn:
            assert np.array_equal(np.asarray(drawn), np.asarray(expected))
