"""``yolokit detect`` writes videos for players, or for browsers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from programs import ffmpeg_here

from yolokit.cli.main import main

WEBM = ["--video-format", "webm"]


def detect_in_a_film(model: Path, folder: Path, *options: str) -> Path:
    """Five frames of 64x48, 12.5 a second; the folder of what is written."""
    film, out = folder / "film.avi", folder / "out"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for number in range(5):
        writer.write(np.full((48, 64, 3), 40 * number, dtype=np.uint8))
    writer.release()
    command = ["detect", str(model), str(film), "--out", str(out), *options]
    assert main([*command, "--device", "cpu"]) == 0
    return out


@pytest.mark.parametrize(
    ("ffmpeg", "options", "name", "codec"),
    [
        (False, [], "film.mp4", b"FMP4"),
        (True, [], "film.mp4", b"h264"),
        (True, WEBM, "film.webm", b"VP80"),
        (True, [*WEBM, "--no-save-video"], None, b""),
    ],
)
def test_a_video_has_the_format_asked_for(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    ffmpeg: bool,
    options: list[str],
    name: str | None,
    codec: bytes,
) -> None:
    if ffmpeg:
        ffmpeg_here()
    else:
        monkeypatch.setenv("PATH", "")
    out = detect_in_a_film(tiny_model, tmp_path, *options)
    said = capfd.readouterr()
    last = said.out.splitlines()[-1]
    if name is None:
        assert not out.exists() or list(out.iterdir()) == []
        return
    assert said.err == ""  # of OpenCV and FFmpeg, too
    assert [path.name for path in out.iterdir()] == [name]
    capture = cv2.VideoCapture(str(out / name))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == codec
    assert capture.get(cv2.CAP_PROP_FPS) == 12.5
    assert sum(capture.read()[0] for _ in range(9)) == 5
    plays = codec != b"FMP4"
    assert last.endswith(f"written: {out / name}") == plays
    assert ("--video-format webm" in last and "install ffmpeg" in last) != plays


def test_scripts_are_not_told_what_browsers_play(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "")
    detect_in_a_film(tiny_model, tmp_path, "-q")
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
