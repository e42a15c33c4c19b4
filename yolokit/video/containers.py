"""Which files are films by their first bytes: containers that hold their own frames.

FFmpeg opens far more, among it playlists and scripts that name other files of this machine, or
addresses. A stranger's file is asked here before it is handed to it.
"""

from __future__ import annotations

from pathlib import Path

import cv2

HEAD_BYTES = 400  # two packets of a transport stream
_TS_PACKET, _TS_SYNC = 188, 0x47  # bytes of a packet, and its first one
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")  # of ISO media, the first one
_MAGIC = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
    b"FLV\x01",
    b"OggS",
    b"GIF87a",
    b"GIF89a",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
)
CONTAINERS = "MP4, MOV, MKV, WebM, AVI, MPEG, TS, WMV, FLV, Ogg or GIF"


def is_film(head: bytes) -> bool:
    """Whether a file that begins with these ``HEAD_BYTES`` is one of ``CONTAINERS``."""
    if head.startswith(_MAGIC) or head[4:8] in _BOXES:
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return True
    return len(head) > _TS_PACKET and head[0] == head[_TS_PACKET] == _TS_SYNC


def frame_hw(path: Path) -> tuple[int, int]:
    """(height, width) of a film's frames in pixels as its container states it; (0, 0) if it
    cannot be opened. No frame is decoded for it."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            return 0, 0
        sides = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        height, width = (int(capture.get(side)) for side in sides)
        return height, width
    finally:
        capture.release()
