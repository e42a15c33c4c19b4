"""An .mp4 made of a .mkv's packets is, byte for byte, the one that OpenCV would have coded."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.errors import SourceError
from yolokit.video.remux import _add_settings, remux_mpeg4, with_settings

SIZE_WH = (64, 48)


def frames(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (*SIZE_WH[::-1], 3), dtype=np.uint8)
    return [np.roll(still, 3 * shift, axis=1) for shift in range(count)]


def coded(path: Path, *, fps: float, count: int = 40) -> Path:
    """As OpenCV codes it."""
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, SIZE_WH)
    for frame in frames(count):
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize("fps", [29.97, 25, 7.5, 60])
def test_it_is_what_would_have_been_coded(tmp_path: Path, fps: float) -> None:
    """Key frames, times and the decoder's settings among it: all stand in the index."""
    direct = coded(tmp_path / "direct.mp4", fps=fps)
    remux_mpeg4(
        coded(tmp_path / "film.mkv", fps=fps), tmp_path / "film.mp4", size_wh=SIZE_WH, fps=fps
    )
    assert (tmp_path / "film.mp4").read_bytes() == direct.read_bytes()


def test_a_film_of_one_frame(tmp_path: Path) -> None:
    direct = coded(tmp_path / "direct.mp4", fps=25, count=1)
    remux_mpeg4(
        coded(tmp_path / "film.mkv", fps=25, count=1),
        tmp_path / "film.mp4",
        size_wh=SIZE_WH,
        fps=25,
    )
    assert (tmp_path / "film.mp4").read_bytes() == direct.read_bytes()


def index_of(film: bytes) -> bytes:
    return film[film.rindex(b"moov") - 4 :]


def without_settings(film: bytes) -> tuple[bytes, bytes]:
    """The file as OpenCV leaves it, and the settings that it lacks."""
    at = film.index(b"\x05\x80\x80\x80", film.index(b"esds"))
    length = film[at + 4]
    settings, added = film[at + 5 : at + 5 + length], 5 + length
    bare = bytearray(film[:at] + film[at + added :])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4v", b"esds"):
        place = bare.rindex(kind) - 4
        (size,) = struct.unpack_from(">I", bare, place)
        struct.pack_into(">I", bare, place, size - added)
    stream = bare.rindex(b"esds") + 8
    for place in (stream + 4, stream + 4 + 3 + 5):  # both lengths, below 128
        bare[place] -= added
    return bytes(bare), settings


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return coded(tmp_path_factory.mktemp("film") / "film.mp4", fps=25).read_bytes()


def test_settings_of_any_length_grow_every_box_around_them(film: bytes) -> None:
    bare, settings = without_settings(film)
    assert with_settings(index_of(bare), settings) == index_of(film)
    longer = with_settings(index_of(bare), bytes(300))
    assert len(longer) == len(index_of(bare)) + 305
    assert b"\x05\x80\x80\x82\x2c" + bytes(300) in longer  # 300 is 2 * 128 + 44
    assert struct.unpack_from(">I", longer)[0] == len(longer)


def test_a_box_of_more_than_4_gb_is_stepped_over(film: bytes, tmp_path: Path) -> None:
    """Its size stands in 64 bits behind its name."""
    bare, settings = without_settings(film)
    at = bare.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", bare, at)
    large = struct.pack(">I4sQ", 1, b"mdat", size + 8)
    path = tmp_path / "film.mp4"
    path.write_bytes(bare[:at] + large + bare[at + 8 :])
    _add_settings(path, settings)
    assert index_of(path.read_bytes()) == index_of(film)


@pytest.mark.parametrize("what", ["settings", "cut", "no index", "other", "end"])
def test_what_is_laid_out_otherwise_is_refused(film: bytes, tmp_path: Path, what: str) -> None:
    bare, settings = without_settings(film)
    path = tmp_path / "film.mp4"
    path.write_bytes(
        {
            "settings": film,
            "cut": bare[: bare.rindex(b"stsd")],
            "no index": bare[: bare.rindex(b"moov") - 4],
            "other": bare.replace(b"mp4v", b"avc1"),
            "end": index_of(bare) + bare[: bare.rindex(b"moov") - 4],
        }[what]
    )
    before = path.read_bytes()
    with pytest.raises(SourceError, match="not laid out as OpenCV writes it"):
        _add_settings(path, settings)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot open it"):
        remux_mpeg4(tmp_path / "film.mkv", tmp_path / "film.mp4", size_wh=SIZE_WH, fps=25)
