"""The one place where picture files become pixels.

Every picture that is trained on, scored or predicted passes through `decode_image`, so that a
file means the same pixels everywhere: upright, 8 bits, RGB.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from yolokit.errors import ImageError

_SIXTEEN_BIT_MAX = 0xFFFF
_EXIF_ORIENTATION = 0x0112
_EXIF_QUARTER_TURNS = {5, 6, 7, 8}  # orientations that swap width and height


class PictureFacts(NamedTuple):
    """What a verified file holds: its upright (height, width), and if EXIF swaps the two."""

    upright_hw: tuple[int, int]
    quarter_turned: bool


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read a picture file as upright 8-bit RGB.

    Args:
        path: any format Pillow reads (JPEG, PNG, WebP, TIFF, BMP, GIF's first frame, ...).

    Returns:
        [H, W, 3] uint8 RGB, contiguous; see `decode_image` for how other modes are converted.

    Raises:
        ImageError: missing, truncated, or not a picture; the message names the file.
    """
    return decode_image(_read_bytes(Path(path)), name=str(path))


def decode_image(data: bytes, *, name: str = "picture") -> NDArray[np.uint8]:
    """Decode an encoded picture to upright 8-bit RGB.

    EXIF orientation is applied. Grey is repeated to three channels; 16-bit samples keep their
    high byte; a palette is looked up; CMYK is converted without a colour profile; alpha is
    dropped and the stored colours kept, as OpenCV and torchvision do.

    Args:
        data: the file's bytes.
        name: what to call the picture in an error.

    Returns:
        [H, W, 3] uint8 RGB, contiguous.

    Raises:
        ImageError: truncated, not a picture, or floating-point samples (they have no agreed range).
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()  # raises on truncated data, where OpenCV would fill with grey
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(_to_rgb(image), dtype=np.uint8)
    except ImageError as error:
        raise ImageError(f"cannot decode {name}: {error}") from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        raise ImageError(_undecodable(name, error)) from error


def verify_image(path: Path) -> PictureFacts:
    """Decode a file to the end, as cheaply as its format allows, without keeping the pixels.

    Raises:
        ImageError: as `read_image`.
    """
    data = _read_bytes(path)
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            turned = image.getexif().get(_EXIF_ORIENTATION) in _EXIF_QUARTER_TURNS
            image.draft(None, (1, 1))  # a JPEG is read whole but computed at an eighth of its size
            image.load()
            if image.mode == "F":
                _to_rgb(image)
    except ImageError as error:
        raise ImageError(f"cannot decode {path}: {error}") from error
    except Exception as error:
        raise ImageError(_undecodable(str(path), error)) from error
    return PictureFacts((width, height) if turned else (height, width), turned)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"no picture at {path}. Check the images folder and file_name") from error
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror or error}") from error


def _undecodable(name: str, error: Exception) -> str:
    reason = str(error).replace("\n", " ").rstrip(".") or type(error).__name__
    if "cannot identify image file" in reason:
        reason = "not a picture in a known format"
    return f"cannot decode {name}: {reason}. Replace the file or remove it from the data"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        samples = np.clip(np.asarray(image, dtype=np.int64), 0, _SIXTEEN_BIT_MAX)
        return Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point samples have no agreed range. Save it as 8 or 16 bit")
    if image.mode in ("P", "PA", "RGBa"):  # via RGBA: transparency in the palette, premultiplied
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")
