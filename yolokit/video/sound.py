"""Whether a film has sound, which OpenCV neither reads nor writes: so that its loss can be told."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

_HEAD_BYTES = 2**20  # tracks are listed at a file's beginning, but for the MP4 family
_MOST_INDEX_BYTES = 2**26  # of an MP4's index: a day of film
_MP4_SOUND = re.compile(rb"hdlr.{8}soun", re.DOTALL)  # ISO 14496-12, 8.4.3
_AVI_SOUND = re.compile(rb"strh.{4}auds", re.DOTALL)
_MATROSKA_SOUND = b"\x83\x81\x02"  # TrackType 2, RFC 9559
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}


def may_have_sound(path: Path) -> bool:
    """Whether a film has a sound track; True for a container that is not looked into."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[4:8] in _MP4_BOXES:
            return _MP4_SOUND.search(_mp4_index(file)) is not None
    if head.startswith(b"RIFF"):
        return _AVI_SOUND.search(head) is not None
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _MATROSKA_SOUND in head
    return not head.startswith((b"GIF8", b"\xff\xd8"))  # no sound in GIF and plain MJPEG


def _mp4_index(file: BinaryIO) -> bytes:
    """The box ``moov``, wherever it lies; empty where there is none."""
    end = file.seek(0, os.SEEK_END)
    place = 0
    while place + 8 <= end:
        file.seek(place)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:  # the true size follows, in 64 bits
            size = int.from_bytes(head[8:16], "big")
        if head[4:8] == b"moov":
            return head + file.read(min(size, _MOST_INDEX_BYTES))
        if size < 8:  # 0: to the end of the file
            break
        place += size
    return b""
