"""Video files: whole under their name, or recoverable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from programs import ffmpeg_here

from yolokit.errors import SourceError
from yolokit.video import encoders
from yolokit.video.video_file import VideoFile, fastest_fps

Open = Callable[..., VideoFile]
_CODECS = {"MPEG-4": b"FMP4", "VP8": b"VP80", "H.264": b"h264"}


@pytest.fixture(params=_CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    """Of each kind of video."""
    name: str = request.param
    return name


@pytest.fixture
def open_video(codec: str) -> Open:
    """Opens a video of that kind, named without a suffix."""
    ffmpeg = ffmpeg_here() if codec == "H.264" else None

    def make(path: Path, **keywords: object) -> VideoFile:
        suffix = ".webm" if codec == "VP8" else ".mp4"
        return VideoFile(path.with_suffix(suffix), ffmpeg=ffmpeg, **keywords)  # type: ignore[arg-type]

    return make


def test_the_codec_is_that_of_the_format(
    tmp_path: Path, codec: str, open_video: Open, counters: SimpleNamespace
) -> None:
    """Browsers play VP8 in WebM, which is Matroska that says so in its head."""
    video = open_video(tmp_path / "out", size_wh=(64, 48), fps=25)
    video.write(counters.image(3))
    video.close()
    capture = cv2.VideoCapture(str(video.path))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == _CODECS[codec]
    assert (b"webm" in video.path.read_bytes()[:64]) == (codec == "VP8")
    assert video.for_browsers == (codec != "MPEG-4")


@pytest.mark.parametrize("fps", [12.5, 30000 / 1001, 25.0, 7.3])
def test_frames_and_rate_are_kept(
    tmp_path: Path, fps: float, open_video: Open, counters: SimpleNamespace
) -> None:
    video = open_video(tmp_path / "deep" / "out", size_wh=(64, 48), fps=fps)
    for number in range(30):
        video.write(counters.image(number))
    assert not video.path.exists()
    video.close()
    frames, read_fps = counters.read_video(video.path)
    assert [counters.read(frame) for frame in frames] == list(range(30))
    assert read_fps == pytest.approx(fps, abs=1e-2)
    assert [path.name for path in video.path.parent.iterdir()] == [video.path.name]


def test_odd_size_and_colour(tmp_path: Path, open_video: Open, counters: SimpleNamespace) -> None:
    image = np.zeros((31, 33, 3), np.uint8)
    image[..., 0] = 200  # red
    image[:, -1] = (0, 0, 200)  # the last column must not be cut off
    video = open_video(tmp_path / "odd", size_wh=(33, 31), fps=5)
    video.write(image)
    video.close()
    ((frame,), _) = counters.read_video(video.path)
    assert frame.shape == (32, 34, 3)
    assert frame[10, 10, 2] > 150 > frame[10, 10, 0]
    assert frame[10, -1, 0] > 100


def test_frames_of_another_size_are_scaled(tmp_path: Path, counters: SimpleNamespace) -> None:
    video = VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=5)
    video.write(counters.image(7))
    video.write(counters.image(8, height=96, width=128))
    video.close()
    frames, _ = counters.read_video(video.path)
    assert [counters.read(frame) for frame in frames] == [7, 8]


def test_abort_leaves_only_the_rescue(
    tmp_path: Path, open_video: Open, counters: SimpleNamespace
) -> None:
    video = open_video(tmp_path / "out", size_wh=(64, 48), fps=5)
    for number in range(10):
        video.write(counters.image(number))
    video.abort()
    assert list(tmp_path.iterdir()) == [video.rescue]
    assert len(counters.read_video(video.rescue)[0]) == 10


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("out.mp4", "out.part.mkv"),
        pytest.param("out.webm", "out.part.webm", marks=pytest.mark.slow),
    ],
)
def test_a_killed_process_leaves_a_video_that_plays(
    tmp_path: Path, name: str, part: str, counters: SimpleNamespace
) -> None:
    script = """
import os, signal, sys
from pathlib import Path
import numpy as np
from yolokit.video.video_file import VideoFile, fastest_fps
rng = np.random.default_rng(0)
video = VideoFile(Path(sys.argv[1]), size_wh=(320, 240), fps=25)
for _ in range(250):
    video.write(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / name
    killed = subprocess.run([sys.executable, "-c", script, str(path)], timeout=120)
    assert killed.returncode == -9
    assert not path.exists()
    frames, _ = counters.read_video(tmp_path / part)
    assert len(frames) > 100


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out.part.mkv").mkdir()  # in the way of the rescue file
    with pytest.raises(SourceError, match="is there already"):
        VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=5)
    assert [path.name for path in tmp_path.iterdir()] == ["out.part.mkv"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SourceError("no box")])
def test_a_film_that_cannot_be_made_whole_stays_where_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counters: SimpleNamespace, error: Exception
) -> None:
    """As on a full disk: all of it is in the .mkv, and nothing else is left."""

    def failing(source: Path, target: Path, **_settings: object) -> None:
        target.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(encoders, "remux_mpeg4", failing)
    video = VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=5)
    for number in range(3):
        video.write(counters.image(number))
    with pytest.raises(SourceError, match=r"disk full\? What could .*out\.part\.mkv"):
        video.close()
    assert list(tmp_path.iterdir()) == [video.rescue]
    assert len(counters.read_video(video.rescue)[0]) == 3


def test_a_folder_in_the_way_of_the_name_leaves_the_film(tmp_path: Path, counters: Any) -> None:
    video = VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=5)
    video.write(counters.image(1))
    video.path.mkdir()
    with pytest.raises(OSError, match=r"out\.mp4"):
        video.close()
    assert sorted(tmp_path.iterdir()) == [video.path, video.rescue]


def test_a_film_that_another_writes_is_left_alone(
    tmp_path: Path, open_video: Open, counters: SimpleNamespace
) -> None:
    """What lies under the name of the rescue is the only copy of what was written."""
    first = open_video(tmp_path / "out", size_wh=(64, 48), fps=5)
    with pytest.raises(SourceError, match=r"is there already.*move the file away"):
        open_video(tmp_path / "out", size_wh=(64, 48), fps=5)
    for number in range(4):
        first.write(counters.image(number))
    first.close()
    assert len(counters.read_video(first.path)[0]) == 4


def test_lost_frames_are_noticed(
    tmp_path: Path, open_video: Open, counters: SimpleNamespace
) -> None:
    video = open_video(tmp_path / "out", size_wh=(64, 48), fps=5)
    video.write(counters.image(1))
    video.frames += 1  # as when the encoder dropped one silently
    with pytest.raises(SourceError, match="1 of 2 frames"):
        video.close()
    assert not video.path.exists()
    assert video.rescue.exists()


def shown(path: Path, counters: SimpleNamespace) -> list[int]:
    return [counters.read(frame) for frame in counters.read_video(path)[0]]


@pytest.mark.parametrize(
    ("fps", "times_ms", "expected"),
    [
        # a camera of 30 frames a second of which every third is looked at
        (30.0, [0, 100, 200], [0, 0, 0, 1, 1, 1, 2]),
        # a phone's film: 30 frames a second, then 5
        (30.0, [0, 1000 / 30, 1000 / 15, 266.7, 466.7], [0, 1] + [2] * 6 + [3] * 6 + [4]),
        # less than a period early or late is no reason to move a frame
        (10.0, [0, 160, 140, 350, 400], [0, 1, 2, 3, 4]),
        # ten times as many as the rate states: one of ten is kept, and so is the speed
        (10.0, [10.0 * number for number in range(60)], None),
        # a clock that was set an hour on
        (10.0, [0, 100, 3_700_000, 3_700_100], [0, 1, 2, 3]),
        (10.0, [5000, 5100, 5300], [0, 1, 1, 2]),  # starts late
    ],
)
def test_a_film_plays_at_the_speed_of_its_source(
    tmp_path: Path,
    counters: SimpleNamespace,
    fps: float,
    times_ms: list[float],
    expected: list[int] | None,
) -> None:
    video = VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=fps)
    for number, at_ms in enumerate(times_ms):
        video.write(counters.image(number), at_ms=at_ms)
    video.close()
    numbers = shown(video.path, counters)
    if expected is not None:
        assert numbers == expected
    else:  # place k of the film holds a frame due within a period of k * 100 ms
        assert len(numbers) in (6, 7)
        assert all(abs(10 * number - 100 * place) <= 100 for place, number in enumerate(numbers))
    assert len(numbers) == len(times_ms) + video.repeated - video.dropped


@pytest.mark.parametrize("fps", [240.0, 960.0])
def test_slow_motion_is_whole(
    tmp_path: Path, fps: float, open_video: Open, counters: SimpleNamespace
) -> None:
    video = open_video(tmp_path / "out", size_wh=(64, 48), fps=fps)
    for number in range(60):
        video.write(counters.image(number))
    video.close()
    assert shown(video.path, counters) == list(range(60))


@pytest.mark.parametrize(
    ("fps", "written"),
    [(239.894, 239.89), (239.76023976, 239.76), (119.88, 119.88), (960.0, 960.0), (65.536, 65.54)],
)
def test_slow_motion_rates_are_written(
    tmp_path: Path, counters: SimpleNamespace, fps: float, written: float
) -> None:
    """MPEG-4 counts at most 65535 units of time a second; 239894/1000 has more."""
    video = VideoFile(tmp_path / "out.mp4", size_wh=(64, 48), fps=fps)
    for number in range(6):
        video.write(counters.image(number), at_ms=number * 1000 / fps)
    video.close()
    frames, read_fps = counters.read_video(video.path)
    assert [counters.read(frame) for frame in frames] == list(range(6))
    assert read_fps == pytest.approx(written, rel=1e-4)


@pytest.mark.parametrize(
    ("stated", "times_ms", "fps"),
    [
        (9.2, [0, 1000 / 30, 2000 / 30, 100, 300, 500], 30.0),  # a phone's, 30 and then 5
        (30.0, [0, 33, 67, 100, 133, 167, 200, 233], 30.0),  # times in whole milliseconds
        (28.7, [0, 100 / 3, 200 / 3, 400 / 3, 500 / 3], 30.0),  # one frame is missing
        (30.0, [0, 200, 400], 30.0),
        (25.0, [0], 25.0),
        (25.0, [], 25.0),
    ],
)
def test_the_rate_of_an_uneven_film_loses_no_frame(
    stated: float, times_ms: list[float], fps: float
) -> None:
    assert fastest_fps(stated, times_ms) == pytest.approx(fps)
