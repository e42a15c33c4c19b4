"""A stranger's picture: known formats only, its pixels counted before any is decoded."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.data.images import decode_image, stored_facts, why_unreadable
from yolokit.errors import ImageError
from yolokit.serving.refusal import RefusedError, too_large

# What cameras, phones and programs write; JPEG stands for MPO too. Not among them: what Pillow has
# other programs decode (EPS by Ghostscript), and what nobody sends.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
_JPEG_QUALITY = 95  # percent, as `yolokit detect` writes
_LONGEST_JPEG_SIDE = 65500  # pixels; what the format can state


def decode_picture(data: bytes, most_pixels: int) -> NDArray[np.uint8]:
    """Upright RGB [H, W, 3] of an encoded picture.

    Raises:
        RefusedError: more pixels by its header, no picture of ``FORMATS``, or a damaged one.
    """
    height, width = stored_facts(data, FORMATS).hw
    if height * width > most_pixels:
        millions = f"{most_pixels / 1e6:.3g} million"
        raise too_large(f"the picture has {width}x{height} pixels", millions)
    try:
        return decode_image(data, name="the picture", formats=FORMATS)
    except ImageError as error:
        known = isinstance(error.__cause__, Exception) and height > 0
        why = why_unreadable(error.__cause__) if known else "it is none of " + ", ".join(FORMATS)
        said = str(error) if "HEIC" in str(error) else f"the picture cannot be decoded: {why}"
        raise RefusedError(422, "picture", said) from error


def orientation_of(data: bytes) -> int:
    """The EXIF orientation, 1 to 8, that ``decode_picture`` applies."""
    return stored_facts(data, FORMATS).orientation


def encode_picture(image: NDArray[np.uint8], *, png: bool) -> tuple[bytes, str]:
    """A picture [H, W, 3] uint8 RGB as a file, and the type of its content."""
    png = png or max(image.shape) > _LONGEST_JPEG_SIDE
    stored = io.BytesIO()
    picture = Image.fromarray(image)
    if png:
        picture.save(stored, format="PNG", compress_level=1)
    else:
        picture.save(stored, format="JPEG", quality=_JPEG_QUALITY)
    return stored.getvalue(), "image/png" if png else "image/jpeg"
