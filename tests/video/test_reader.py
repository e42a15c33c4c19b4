"""Decoding: all frames, their times, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from yolokit.video.frames import Kind, Source
from yolokit.video.reader import FrameReader
from yolokit.video.sources import find_sources


def test_video_frames_in_order_with_times(
    make_video: Callable[..., Path], counters: SimpleNamespace
) -> None:
    path = make_video(frames=20, fps=12.5)
    reader = FrameReader(find_sources([str(path)]))
    frames = list(reader)
    assert [counters.read(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.pts_ms for frame in frames] == pytest.approx([80.0 * i for i in range(20)])
    assert {frame.fps for frame in frames} == {12.5}
    assert (reader.skipped, reader.notes) == ([], [])


def test_frame_rate_is_not_rounded(make_video: Callable[..., Path]) -> None:
    (frame,) = FrameReader(find_sources([str(make_video(frames=1, fps=30000 / 1001))]))
    assert frame.fps == pytest.approx(29.97003, abs=1e-4)


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "red.png")
    writer = cv2.VideoWriter(
        str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48)
    )
    writer.write(red[..., ::-1])
    writer.release()
    for frame in FrameReader(find_sources([str(tmp_path)])):
        assert np.abs(frame.image.astype(int) - red).max() < 10
        assert frame.image.dtype == np.uint8


def test_picture_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (frame,) = FrameReader(find_sources([str(tmp_path / "turned.jpg")]))
    assert frame.image.shape == (40, 20, 3)
    assert (frame.index, frame.pts_ms, frame.fps) == (0, 0.0, 0.0)


def test_unreadable_sources_are_skipped_and_named(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"not a picture")
    make_video("c.avi", frames=3)
    (tmp_path / "d.mp4").write_bytes(b"not a video")
    (tmp_path / "e.mp4").touch()
    reader = FrameReader(
        [*find_sources([str(tmp_path)]), Source("z", Kind.IMAGE, Path("gone.png"))]
    )
    assert [Path(frame.source.name).name for frame in reader] == ["a.png"] + ["c.avi"] * 3
    assert [Path(skipped.name).name for skipped in reader.skipped] == [
        "b.jpg",
        "d.mp4",
        "e.mp4",
        "z",
    ]
    assert all(Path(skipped.name).name in str(skipped) for skipped in reader.skipped)


def test_a_cut_video_gives_what_it_holds(
    make_video: Callable[..., Path], counters: SimpleNamespace
) -> None:
    path = make_video(frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = FrameReader(find_sources([str(path)]))
    frames = list(reader)
    assert 20 < len(frames) < 40
    assert [counters.read(frame.image) for frame in frames[:-1]] == list(range(len(frames) - 1))


def test_stated_frame_count_is_not_believed(make_video: Callable[..., Path]) -> None:
    path = make_video(frames=20)
    data = bytearray(path.read_bytes())
    for tag, offset in ((b"avih", 24), (b"strh", 40)):  # frame counts in AVI's two headers
        place = data.index(tag) + offset
        assert int.from_bytes(data[place : place + 4], "little") == 20
        data[place : place + 4] = (50).to_bytes(4, "little")
    path.write_bytes(data)
    reader = FrameReader(find_sources([str(path)]))
    assert len(list(reader)) == 20


def test_all_frames_of_a_real_video(real_root: Path) -> None:
    frames = 0
    for frame in FrameReader(find_sources([str(real_root / "video" / "car-detection.mp4")])):
        assert frame.pts_ms == pytest.approx(80.0 * frame.index)
        frames += 1
    assert (frames, frame.fps, frame.image.shape) == (377, 12.5, (432, 768, 3))
