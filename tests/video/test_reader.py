"""Decoding: all frames, their times, and what cannot be read."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


Serve = Callable[[str, bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """An address on this machine that answers with a kind of content, and those bytes."""
    servers = []

    def start(kind: str, content: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_picture_at_an_address_is_a_picture(serve: Serve) -> None:
    content = jpeg(Image.new("RGB", (40, 30), (200, 0, 0)))
    address = serve("image/jpeg", content) + "/photo?size=1"
    reader = FrameReader(find_sources([address]))
    (frame,) = reader
    assert (frame.source.kind, frame.source.name) == (Kind.IMAGE, address)
    assert (frame.image.shape, frame.fps, frame.live) == ((30, 40, 3), 0.0, False)
    assert reader.skipped == []


def test_a_page_is_neither_picture_nor_camera(serve: Serve) -> None:
    reader = FrameReader(find_sources([serve("text/html; charset=utf-8", b"<html>")]))
    assert list(reader) == []
    assert "is a web page. Give the address of the picture" in str(reader.skipped[0])
    broken = FrameReader(find_sources([serve("image/png", b"junk")]))
    assert list(broken) == []
    assert "not a picture in a known format" in str(broken.skipped[0])


def test_a_stream_that_breaks_off_is_told(serve: Serve, counters: SimpleNamespace) -> None:
    """Ten frames of a camera and half of the eleventh; times are the clock's."""
    frames = [jpeg(Image.fromarray(counters.image(number))) for number in range(11)]
    head = "--x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    parts = [head.format(len(each)).encode() + each + b"\r\n" for each in frames]
    content = b"".join(parts[:10]) + parts[10][: len(parts[10]) // 2]
    address = serve("multipart/x-mixed-replace; boundary=x", content)
    ticks = iter(range(1000, 2000))
    reader = FrameReader(find_sources([address]), clock=lambda: next(ticks) / 10)
    frames_read = list(reader)
    assert len(frames_read) >= 9
    assert all(frame.live for frame in frames_read)
    assert [frame.index for frame in frames_read] == list(range(len(frames_read)))
    times = [frame.pts_ms for frame in frames_read]
    assert times == pytest.approx([100.0 * index for index in range(len(times))])
    assert reader.broken_off
    assert reader.notes[0].startswith(f"{address} stopped sending after {len(times)} frames")


def test_a_film_at_an_address_is_read_whole_and_is_not_live(
    serve: Serve, make_video: Callable[..., Path], counters: SimpleNamespace
) -> None:
    content = make_video("film.mp4", frames=12).read_bytes()
    reader = FrameReader(find_sources([serve("video/mp4", content)]))
    frames = list(reader)
    assert [counters.read(frame.image) for frame in frames] == list(range(12))
    assert not any(frame.live for frame in frames)
    assert not reader.broken_off


def test_of_several_pictures_in_a_file_the_first_is_read_and_the_rest_told(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 90, 200)]
    for name in ("anim.webp", "stack.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    reader = FrameReader(find_sources([str(tmp_path)]))
    assert len(list(reader)) == 2
    assert [note.split("/")[-1] for note in reader.notes] == [
        "anim.webp holds 3 pictures; only the first was read",
        "stack.tif holds 3 pictures; only the first was read",
    ]


def test_what_a_phone_or_camera_adds_is_read_or_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.mpo")
    (tmp_path / "b.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.new("RGB", (8, 8)).save(tmp_path / "c.dng", "TIFF")  # as its small preview
    reader = FrameReader(find_sources([str(tmp_path)]))
    assert [Path(frame.source.name).name for frame in reader] == ["a.mpo"]
    assert [str(each).replace(str(tmp_path), "") for each in reader.skipped] == [
        "/b.HEIC is a HEIC picture, whose decoder cannot be shipped under this licence. Convert "
        "it to JPEG (macOS: sips -s format jpeg, elsewhere: heif-convert or ImageMagick), or let "
        "the phone save JPEG (iPhone: Settings, Camera, Formats, Most Compatible)",
        "/c.dng is a camera's raw file, which needs developing. Save it as JPEG or TIFF",
    ]
