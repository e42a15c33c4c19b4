"""``yolokit detect`` writes videos for players, or for browsers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolokit.cli.main import main


@pytest.mark.parametrize(
    ("options", "name", "codec"),
    [
        ([], "film.mp4", b"FMP4"),
        (["--video-format", "webm"], "film.webm", b"VP80"),
        (["--video-format", "webm", "--no-save-video"], None, b""),
    ],
)
def test_a_video_has_the_format_asked_for(
    tiny_model: Path, tmp_path: Path, options: list[str], name: str | None, codec: bytes
) -> None:
    film, out = tmp_path / "film.avi", tmp_path / "out"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for number in range(5):
        writer.write(np.full((48, 64, 3), 40 * number, dtype=np.uint8))
    writer.release()
    command = ["detect", str(tiny_model), str(film), "--out", str(out), *options, "--device", "cpu"]
    assert main(command) == 0
    if name is None:
        assert not out.exists() or list(out.iterdir()) == []
        return
    assert [path.name for path in out.iterdir()] == [name]
    capture = cv2.VideoCapture(str(out / name))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == codec
    assert capture.get(cv2.CAP_PROP_FPS) == 12.5
    assert sum(capture.read()[0] for _ in range(9)) == 5
