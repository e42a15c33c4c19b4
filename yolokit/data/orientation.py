"""Which way up a picture is to be shown: the one EXIF tag that matters here, read alone.

Cameras and editors write odd values into other tags; a library that decodes and rewrites all of
them refuses sound pictures for that.
"""

from __future__ import annotations

import struct

from PIL import Image

_TAG = 0x0112  # Orientation, https://exiftool.org/TagNames/EXIF.html
_FORMATS = {1: "B", 3: "H", 4: "L"}  # types of a TIFF field: BYTE, SHORT, LONG
_UPRIGHT = 1
QUARTER_TURNS = {5, 6, 7, 8}  # orientations that swap width and height
TURNS = {  # what brings each upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened picture, before it is decoded.

    Returns:
        1 to 8; 1 (upright) where there is none, or none that can be read.
    """
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        return parse_orientation(exif)
    try:
        found = image.getexif().get(_TAG)  # TIFF's own tag, PNG's text, XMP
    except Exception:  # Pillow raises a dozen kinds on damaged tags
        return _UPRIGHT
    return found if isinstance(found, int) and found in TURNS else _UPRIGHT


def parse_orientation(exif: bytes) -> int:
    """The orientation in an EXIF block, which is a small TIFF; no other tag is looked at.

    Args:
        exif: with or without its ``Exif`` mark.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return _UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, at)
            if tag == _TAG and kind in _FORMATS:
                (value,) = struct.unpack_from(order + _FORMATS[kind], block, at + 8)
                return int(value) if value in TURNS else _UPRIGHT
    except struct.error:  # cut off
        return _UPRIGHT
    return _UPRIGHT
