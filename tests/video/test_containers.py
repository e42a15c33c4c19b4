"""Films by their first bytes, and the size of their frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolokit.video.containers import frame_hw, is_film


@pytest.mark.parametrize(
    ("suffix", "code"), [(".mp4", "mp4v"), (".mkv", "mp4v"), (".avi", "MJPG"), (".webm", "VP80")]
)
def test_what_opencv_writes_is_a_film(suffix: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert is_film(path.read_bytes()[:400])
    assert frame_hw(path) == (48, 64)


@pytest.mark.parametrize(
    ("head", "film"),
    [
        (b"\0\0\0\x08wide\0\0\0\0mdat", True),  # QuickTime
        (b"\0\0\x01\xba", True),
        ((b"\x47" + bytes(187)) * 2, True),  # two packets of a transport stream
        (b"\x47" + bytes(300), False),
        (b"RIFF\x10\0\0\0WEBP", False),
        (b"#EXTM3U\n", False),
        (b"ffconcat version 1.0\n", False),
        (b"<?xml version='1.0'?><MPD>", False),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", False),  # SDP: FFmpeg would listen
        (b"", False),
    ],
)
def test_first_bytes(head: bytes, film: bool) -> None:
    assert is_film(head) == film


def test_what_cannot_be_opened_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"text")
    assert frame_hw(tmp_path / "a.mp4") == (0, 0)
