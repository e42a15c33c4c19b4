"""The forms in which Python hands pictures over."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from yolokit.data.images import decode_image, read_image
from yolokit.errors import ImageError

Source: TypeAlias = str | Path | NDArray[np.uint8] | Image.Image

_DECODING = threading.Lock()
_DEEP_MODES = ("I", "F")  # 16 and 32 bits a sample
_SINGLE = (str, Path, np.ndarray, Image.Image)
_EXPECTED = "expected a path, a PIL image or a uint8 RGB array [H, W, 3]"


def is_many(sources: Any) -> bool:
    """Whether it is several pictures, not one."""
    return isinstance(sources, Iterable) and not isinstance(sources, (*_SINGLE, bytes, bytearray))


def listed(sources: Any) -> Iterable[Any]:
    """One picture or several, as several.

    Raises:
        ValueError: neither.
    """
    if is_many(sources):
        return sources  # type: ignore[no-any-return]
    if not isinstance(sources, _SINGLE):
        raise ValueError(f"{_EXPECTED}, or several, got {type(sources).__name__}")
    return [sources]


def pixels_of(source: Any) -> NDArray[np.uint8]:
    """[H, W, 3] uint8 RGB of a file, an array, which is not copied, or a PIL image.

    Raises:
        ImageError: a file that cannot be read.
        ValueError: anything else.
    """
    if isinstance(source, str | Path):
        return read_image(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    require_picture(source)
    return source  # type: ignore[no-any-return]


def require_picture(source: Any) -> None:
    """Refuse what is no uint8 RGB array: of floats in 0..1, black would be left.

    Raises:
        ValueError: another type, shape or kind of number.
    """
    if (
        not isinstance(source, np.ndarray)
        or source.dtype != np.uint8
        or source.ndim != 3
        or source.shape[2] != 3
        or source.size == 0
    ):
        got = (
            f"{source.dtype} {list(source.shape)}"
            if isinstance(source, np.ndarray)
            else type(source).__name__
        )
        raise ValueError(f"{_EXPECTED}, got {got}")


def _from_pil(image: Image.Image) -> NDArray[np.uint8]:
    """Upright 8-bit RGB, by the rules for files: deep samples pass through their decoder."""
    try:
        with _DECODING:  # an image that is given twice has one file behind it
            upright = ImageOps.exif_transpose(image)
    except (OSError, ValueError) as error:  # a file behind it that is cut off, or closed
        raise ImageError(f"cannot decode a PIL image: {error}. Open its file again") from error
    if not upright.mode.startswith(_DEEP_MODES):
        return np.array(upright.convert("RGB"), dtype=np.uint8)
    stored = io.BytesIO()
    upright.save(stored, format="TIFF")  # lossless
    return decode_image(stored.getvalue(), name=f"a PIL image of mode {image.mode}")
