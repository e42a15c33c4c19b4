"""MPEG-4 video out of a Matroska file into an .mp4, packet by packet: nothing is coded again.

OpenCV hands packets on, but not the decoder's settings that Matroska keeps beside them; of an .mp4
they belong into its ``esds`` box (ISO/IEC 14496-14, 5.6), where players look for them.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from yolokit.errors import SourceError

_PACKETS = [cv2.CAP_PROP_FORMAT, -1]  # as they are stored
# Of the key frames only the first is one by itself, the others are named.
_AS_GIVEN = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1, cv2.VIDEOWRITER_PROP_KEY_INTERVAL, 2**31 - 1]
_HEAD = 8  # bytes of a box's size and type
# The boxes around the settings, and how many bytes each has of its own before the next.
_INDEX = b"moov"
_WAY = {_INDEX: 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"stsd": 8, b"mp4v": 78}
_WAY |= {b"esds": 4}
# Inside the last, descriptors (ISO/IEC 14496-1, 7.2.6) by their tags, and their own bytes likewise.
_DESCRIPTORS = {0x03: 3, 0x04: 13}  # of the stream, of the decoder
_SETTINGS = 0x05  # of the decoder


def remux_mpeg4(source: Path, target: Path, *, size_wh: tuple[int, int], fps: float) -> None:
    """Write the packets of an MPEG-4 video into an .mp4, evenly spaced.

    Args:
        source: a .mkv that OpenCV wrote.
        target: written over.
        size_wh: (width, height), pixels.
        fps: frames a second.

    Raises:
        SourceError: why, in words to stand behind a file's name: one of the files cannot be opened,
            or is not as OpenCV writes it, as on a full disk.
        OSError: the target cannot be written.
    """
    code = cv2.VideoWriter.fourcc(*"mp4v")
    capture = cv2.VideoCapture(str(source), cv2.CAP_FFMPEG, _PACKETS)
    writer = cv2.VideoWriter(str(target), cv2.CAP_FFMPEG, code, fps, size_wh, _AS_GIVEN)
    try:
        if not (capture.isOpened() and writer.isOpened()):
            raise SourceError("cannot open it, or the file that is to become it")
        found, packet = capture.read()
        _, settings = capture.retrieve(flag=int(capture.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
        while found:
            writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME))
            writer.write(packet)
            found, packet = capture.read()
    finally:
        capture.release()
        writer.release()
    if settings is None:
        raise SourceError("what a decoder must know is not in the file")
    _add_settings(target, np.asarray(settings).tobytes())


def _add_settings(path: Path, settings: bytes) -> None:
    """Put them into the index, which is the last box of the file: no frame moves.

    Raises:
        SourceError: the file is not laid out so.
    """
    with path.open("r+b") as file:
        try:
            at = _last_box(file)
            file.seek(at)
            index = with_settings(file.read(), settings)
        except (ValueError, struct.error) as error:
            raise SourceError(f"it is not laid out as OpenCV writes it, {error}") from error
        file.seek(at)
        file.write(index)


def with_settings(index: bytes, settings: bytes) -> bytes:
    """An .mp4's ``moov`` box with a decoder's settings in it.

    Args:
        index: the box, of a file with one MPEG-4 video whose settings are missing.
        settings: of fewer than 2**28 bytes.

    Raises:
        ValueError: it is not built so.
        struct.error: it is cut short.
    """
    added = bytes([_SETTINGS, *_length(len(settings))]) + settings
    changed, at, end = bytearray(index), 0, len(index)
    for kind, own in _WAY.items():
        at, size = _find_box(index, kind, at, end)
        changed[at : at + 4] = struct.pack(">I", size + len(added))
        at, end = at + _HEAD + own, at + size
    for tag, own in _DESCRIPTORS.items():
        if index[at] != tag or any(byte < 0x80 for byte in index[at + 1 : at + 4]):
            raise ValueError(f"no descriptor {tag} with four bytes of length")
        (length,) = struct.unpack_from(">I", index, at + 1)
        length = sum((length >> 8 * place & 0x7F) << 7 * place for place in range(4))
        changed[at + 1 : at + 5] = _length(length + len(added))
        at += 5 + own
    if index[at : at + 1] == bytes([_SETTINGS]):
        raise ValueError("it has settings already")
    return bytes(changed[:at]) + added + bytes(changed[at:])


def _length(number: int) -> bytes:
    """As descriptors state it: four times seven bits, the high bit says that more follow."""
    return bytes((number >> 7 * place & 0x7F) | (0x80 if place else 0) for place in (3, 2, 1, 0))


def _find_box(data: bytes, kind: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the first box of a kind begins between two places, and its size."""
    while at + _HEAD <= end:
        size, found = struct.unpack_from(">I4s", data, at)
        if found == kind:
            return at, size
        if size < _HEAD:
            break
        at += size
    raise ValueError(f"no box {kind.decode()}")


def _last_box(file: BinaryIO) -> int:
    """Where the last box of a file begins, the index."""
    end, at = file.seek(0, os.SEEK_END), 0
    while True:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(_HEAD))
        if size == 1:  # 64 bits follow, for more than 4 GB
            (size,) = struct.unpack(">Q", file.read(8))
        if size < _HEAD:
            raise ValueError("a box has no size")
        if at + size >= end:
            if kind != _INDEX:
                raise ValueError("the index is not at the end")
            return at
        at += size
