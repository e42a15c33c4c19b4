"""HEIC pictures, which are told from others and not read: no decoder may be shipped with us."""

from __future__ import annotations

import io
from pathlib import Path

# Brands of ISO media files that hold one picture: https://github.com/nokiatech/heif
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
HEIF_ADVICE = (
    "is a HEIC picture, whose decoder cannot be shipped under this licence. Convert it to JPEG "
    "(macOS: sips -s format jpeg, elsewhere: heif-convert or ImageMagick), or let the phone save "
    "JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
)


def is_heif(file: Path | io.BytesIO) -> bool:
    """Whether a file begins as such a picture does."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(12)
    else:
        head = file.getvalue()[:12]
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS
