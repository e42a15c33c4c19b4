"""Sound tracks, in containers built by hand after their standards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from yolokit.video.sound import may_have_sound


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def handler(kind: bytes) -> bytes:
    """ISO 14496-12, 8.4.3: version and flags, a reserved word, the handler."""
    return box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + kind + bytes(13))))


FTYP, MDAT = box(b"ftyp", b"isom" + bytes(4)), box(b"mdat", b"hdlr12345678soun" * 9)
LARGE_MDAT = b"\0\0\0\1mdat" + (16 + 2**21).to_bytes(8, "big") + bytes(2**21)


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (FTYP + box(b"moov", handler(b"vide") + handler(b"soun")) + MDAT, True),
        (FTYP + box(b"moov", handler(b"vide")) + MDAT, False),
        (FTYP + LARGE_MDAT + box(b"moov", handler(b"vide") + handler(b"soun")), True),
        (FTYP + MDAT, False),
        (b"RIFF....AVI LIST" + b"strh\x38\0\0\0vidsMJPG" + b"strh\x38\0\0\0auds", True),
        (b"\x1aE\xdf\xa3....\xae\x83\x83\x81\x01 \xae\x83\x83\x81\x02", True),
        (b"\x1aE\xdf\xa3....\xae\x83\x83\x81\x01", False),
        (b"GIF89a", False),
        (b"\x47" * 188, True),  # an MPEG transport stream: not looked into
        (b"", True),
    ],
)
def test_sound_is_found_in_the_container(tmp_path: Path, content: bytes, sound: bool) -> None:
    path = tmp_path / "film"
    path.write_bytes(content)
    assert may_have_sound(path) == sound


@pytest.mark.parametrize("name", ["film.avi", "film.mkv", "film.mp4"])
def test_opencvs_own_films_are_silent(make_video: Callable[..., Path], name: str) -> None:
    assert not may_have_sound(make_video(name, frames=3))
