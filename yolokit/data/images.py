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
from PIL import Image, ImageOps, UnidentifiedImageError

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
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        reason = _reason(error)
        raise ImageError(
            f"cannot decode {name}: {reason}. Replace the file or remove it from the data"
        ) from error


def verify_image(path: Path) -> PictureFacts | str:
    """Decode a file to the end, as cheaply as its format allows, without keeping the pixels.

    Returns:
        What the picture is; or, in a few words, why `read_image` would fail.
    """
    try:
        with Image.open(path) as image:
            whole_size = image.size
            turned = _quarter_turned(image)
            drafted = image.draft(None, (1, 1))  # a JPEG: read whole, computed at an eighth
            image.load()  # turns a TIFF upright and takes its tag away
            width, height = whole_size if drafted else image.size
            if _quarter_turned(image):
                width, height = height, width
            _require_integer_samples(image)
    except FileNotFoundError:
        return "missing"
    except Exception as error:
        return _reason(error)
    return PictureFacts((height, width), turned)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"no picture at {path}. Check the images folder and file_name") from error
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror or error}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a known format"
    return str(error).replace("\n", " ").rstrip(".") or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
    _require_integer_samples(image)
    if image.mode == "RGB":
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        samples = np.clip(np.asarray(image, dtype=np.int64), 0, _SIXTEEN_BIT_MAX)
        return Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("P", "PA", "RGBa"):  # via RGBA: transparency in the palette, premultiplied
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _require_integer_samples(image: Image.Image) -> None:
    if image.mode == "F":
        raise ValueError("floating-point samples have no agreed range, save it as 8 or 16 bit")


def _quarter_turned(image: Image.Image) -> bool:
    return image.getexif().get(_EXIF_ORIENTATION) in _EXIF_QUARTER_TURNS
