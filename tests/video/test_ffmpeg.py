"""H.264 by the user's ffmpeg: found, fed, dead, full, killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from programs import ffmpeg_here

from yolokit.errors import SourceError
from yolokit.video import ffmpeg
from yolokit.video.ffmpeg import find_ffmpeg
from yolokit.video.video_file import VideoFile

# Writes noise, says what its ffmpeg is called, and dies without a word; ffmpeg too where asked.
_KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from yolokit.video.ffmpeg import find_ffmpeg
from yolokit.video.video_file import VideoFile
rng = np.random.default_rng(0)
video = VideoFile(Path(sys.argv[1]), size_wh=(320, 240), fps=25, ffmpeg=find_ffmpeg())
for _ in range(250):
    video.write(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))
ffmpeg = video._encoder._run._process.pid
print(ffmpeg, flush=True)
if sys.argv[2] == "both":
    os.kill(ffmpeg, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def program(folder: Path, script: str) -> str:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "usable"),
    [
        ("echo ' V....D libx264              libx264 H.264 (codec h264)'", True),
        ("echo ' V....D libopenh264          OpenH264 (codec h264)'", False),
        ("exit 1", False),
    ],
)
def test_an_ffmpeg_without_an_h264_encoder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, usable: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() is None
    path = program(tmp_path, script)
    assert find_ffmpeg() == (path if usable else None)


def test_the_index_stands_first_and_colours_are_named(
    tmp_path: Path, counters: SimpleNamespace
) -> None:
    """ISO 14496-12: ``moov`` before ``mdat``; 1/1/1 in ``colr`` is BT.709, which is not guessed."""
    path = tmp_path / "-a b:%03d.mp4"  # neither an option, nor an address, nor a pattern
    video = VideoFile(path, size_wh=(64, 48), fps=25, ffmpeg=ffmpeg_here())
    for number in range(60):
        video.write(counters.image(number))
    video.close()
    assert list(tmp_path.iterdir()) == [path]
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    assert b"colrnclx" + bytes([0, 1, 0, 1, 0, 1, 0]) in content
    assert b"moof" not in content


@pytest.mark.parametrize(("script", "reason"), [("echo Nope. >&2; exit 3", "Nope"), ("exit 3", "")])
def test_a_program_that_fails_is_one_line(tmp_path: Path, script: str, reason: str) -> None:
    out = tmp_path / "out"
    video = VideoFile(out / "film.mp4", size_wh=(640, 480), fps=5, ffmpeg=program(tmp_path, script))
    with pytest.raises(SourceError, match=reason or "ended with status 3") as raised:
        for _ in range(9):
            video.write(np.zeros((480, 640, 3), np.uint8))
        video.close()
    assert str(out / "film.mp4") in str(raised.value) and "--video-format webm" in str(raised.value)
    video.abort()
    assert list(out.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_leaves_no_film(
    tmp_path: Path, counters: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "reserve", lambda _rescue: None)  # the name is taken, by the disk
    (tmp_path / "film.part.mp4").symlink_to("/dev/full")
    video = VideoFile(tmp_path / "film.mp4", size_wh=(64, 48), fps=5, ffmpeg=ffmpeg_here())
    with pytest.raises(SourceError, match=r"cannot write .*: .*No space left on device"):
        for number in range(60):
            video.write(counters.image(number))
        video.close()
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for another's child as Linux can")
@pytest.mark.parametrize("killed", ["python", "both"])
def test_ffmpeg_dies_with_the_process_and_what_was_written_plays(
    tmp_path: Path, killed: str, counters: SimpleNamespace
) -> None:
    ffmpeg_here()
    path = tmp_path / "film.mp4"
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), killed], timeout=120, capture_output=True
    )
    assert run.returncode == -9
    try:
        alive = os.pidfd_open(int(run.stdout))
    except ProcessLookupError:
        pass
    else:
        assert select.select([alive], [], [], 60)[0]
        os.close(alive)
    assert [each.name for each in tmp_path.iterdir()] == ["film.part.mp4"]
    frames, _ = counters.read_video(tmp_path / "film.part.mp4")
    assert len(frames) == 250 if killed == "python" else len(frames) >= 100


def test_a_picture_changes_little(tmp_path: Path) -> None:
    """Flat colours come back within what 4:2:0 in BT.709, limited range, can hold."""
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, :32], image[:, 32:64], image[:, 64:] = (220, 30, 40), (20, 200, 60), (250, 250, 250)
    video = VideoFile(tmp_path / "film.mp4", size_wh=(96, 48), fps=5, ffmpeg=ffmpeg_here())
    for _ in range(3):
        video.write(image)
    video.close()
    decode = ["-v", "error", "-i", str(video.path), "-vf", "scale=in_color_matrix=bt709"]
    raw = subprocess.run(
        [ffmpeg_here(), *decode, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    ).stdout
    read = np.frombuffer(raw, np.uint8).reshape(3, 48, 96, 3)
    for column in (16, 48, 80):
        assert np.abs(read[1, 24, column].astype(int) - image[24, column]).max() <= 6
    assert cv2.VideoCapture(str(video.path)).get(cv2.CAP_PROP_FRAME_COUNT) == 3
