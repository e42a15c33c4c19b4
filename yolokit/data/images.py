"""The one place where picture files become pixels.

Every picture that is trained on, scored or predicted passes through `decode_image`, so that a
file means the same pixels everywhere: upright, 8 bits, RGB.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from yolokit.data.heif import HEIF_ADVICE, is_heif
from yolokit.data.jpeg import decode_sound_jpeg
from yolokit.data.orientation import QUARTER_TURNS, TURNS, read_orientation
from yolokit.errors import ImageError

MOST_PIXELS = 2**29  # 537 megapixels, 1.6 GB as RGB; a larger file is a mistake or an attack
_SIXTEEN_BIT_MAX = 0xFFFF
_TURNED_BY_PILLOW = {"TIFF"}  # when it is decoded
_OPENING = threading.Lock()  # Pillow's limit is one for all threads
_LOOK = "Check the path; of a data set, the images folder and file_name"


class _UnusableError(ValueError):
    """Sound, but not for us: the message is complete and says what to do."""


class PictureFacts(NamedTuple):
    """What a verified file holds: its upright (height, width), and if EXIF swaps the two."""

    upright_hw: tuple[int, int]
    quarter_turned: bool


class StoredFacts(NamedTuple):
    """What a header says: (height, width) before EXIF turns it, and that orientation, 1 to 8."""

    hw: tuple[int, int]
    orientation: int


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


def decode_image(
    data: bytes, *, name: str = "picture", formats: tuple[str, ...] | None = None
) -> NDArray[np.uint8]:
    """Decode an encoded picture to upright 8-bit RGB.

    EXIF orientation is applied. Grey is repeated to three channels; 16-bit samples keep their
    high byte; a palette is looked up; CMYK is converted without a colour profile; alpha is
    dropped and the stored colours kept, as OpenCV and torchvision do.

    Args:
        data: the file's bytes.
        name: what to call the picture in an error.
        formats: of Pillow's names, those that are read; None reads all.

    Returns:
        [H, W, 3] uint8 RGB, contiguous.

    Raises:
        ImageError: truncated, not a picture, HEIC, over `MOST_PIXELS`, or floating-point samples
            (they have no agreed range).
    """
    try:
        with _open(io.BytesIO(data), formats) as image:
            turn = TURNS.get(read_orientation(image))
            if turn is None and (pixels := decode_sound_jpeg(image, data)) is not None:
                return pixels
            _load(image)
            if turn is None or image.format in _TURNED_BY_PILLOW:
                upright = image
            else:
                upright = image.transpose(turn)
            return np.array(_to_rgb(upright), dtype=np.uint8)
    except _UnusableError as error:
        raise ImageError(f"{name} {error}") from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        reason = why_unreadable(error)
        raise ImageError(
            f"cannot decode {name}: {reason}. Replace the file or remove it from the data"
        ) from error


def verify_image(path: Path) -> PictureFacts | str:
    """Decode a file to the end, as cheaply as its format allows, without keeping the pixels.

    Returns:
        What the picture is; or, in a few words, why `read_image` would fail.
    """
    try:
        with _open(path) as image:
            turned = read_orientation(image) in QUARTER_TURNS
            whole_size = image.size
            drafted = image.draft(None, (1, 1))  # a JPEG: read whole, computed at an eighth
            _load(image)
            width, height = whole_size if drafted else image.size
            if turned and image.format not in _TURNED_BY_PILLOW:
                width, height = height, width
            _require_integer_samples(image)
    except FileNotFoundError:
        return "missing"
    except Exception as error:
        return why_unreadable(error)
    return PictureFacts((height, width), turned)


def picture_size(path: Path) -> tuple[int, int]:
    """Upright (height, width) by a file's header alone; (0, 0) where it is no readable picture."""
    try:
        with _open(path) as image:
            turned = read_orientation(image) in QUARTER_TURNS
            if turned and image.format in _TURNED_BY_PILLOW:
                _load(image)
                turned = False
            width, height = image.size
    except Exception:  # whatever it is: decoding it says why
        return 0, 0
    return (width, height) if turned else (height, width)


def stored_facts(data: bytes, formats: tuple[str, ...] | None = None) -> StoredFacts:
    """What the header of an encoded picture says; nothing is decoded.

    Returns:
        A size of (0, 0) where it is no such picture; ``formats`` as for `decode_image`.
    """
    try:
        with _unlimited(), Image.open(io.BytesIO(data), formats=formats) as image:
            return StoredFacts((image.height, image.width), read_orientation(image))
    except Exception:  # whatever it is: decoding it says why
        return StoredFacts((0, 0), 1)


def grey_thumbnail(path: Path, side: int) -> NDArray[np.uint8]:
    """A small grey version of an upright picture, decoded as cheaply as its format allows.

    Args:
        path: the file.
        side: pixels of each side; the picture's own shape is not kept.

    Returns:
        [side, side] uint8.

    Raises:
        ImageError: see `read_image`.
    """
    try:
        with _open(path) as image:
            orientation = read_orientation(image)
            image.draft("L", (2 * side, 2 * side))  # a JPEG at up to an eighth
            _load(image)
            turn = None if image.format in _TURNED_BY_PILLOW else TURNS.get(orientation)
            upright = image if turn is None else image.transpose(turn)
            grey = _to_rgb(upright).convert("L")
            return np.array(grey.resize((side, side), Image.Resampling.BOX), dtype=np.uint8)
    except FileNotFoundError as error:
        raise ImageError(f"no picture at {path}. {_LOOK}") from error
    except Exception as error:  # whatever a decoder raises
        why = why_unreadable(error)
        raise ImageError(
            f"cannot decode {path}: {why}. Replace the file or remove it from the data"
        ) from error


def picture_format(path: Path) -> str | None:
    """Which kind of picture a file holds by its first bytes; None where it is no picture.

    Returns:
        Pillow's name ("JPEG", "PNG", "GIF", ...), or "HEIC".
    """
    try:
        with _open(path) as image:
            return str(image.format)
    except _UnusableError:
        return "HEIC" if is_heif(path) else "too large"
    except Exception:  # whatever it is, it is no picture
        return None


def picture_count(path: Path) -> int:
    """How many pictures a file holds (animated WebP and PNG, pages of a TIFF); 1 for most.

    Smaller versions of one picture (a pyramid of a TIFF, a phone's MPO) count as one.
    """
    try:
        with _open(path) as image:
            count = int(getattr(image, "n_frames", 1))
            if count > 1 and image.format == "TIFF":
                image.seek(1)
                reduced = getattr(image, "tag_v2", {}).get(254, 0) & 1  # NewSubfileType
                return 1 if reduced else count
            return 1 if image.format == "MPO" else count
    except Exception:  # damaged: `read_image` says how
        return 1


@contextmanager
def _unlimited() -> Iterator[None]:
    """Without Pillow's limit and its warnings, which are for files of strangers."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _open(file: Path | io.BytesIO, formats: tuple[str, ...] | None = None) -> Image.Image:
    """A picture whose header is read.

    Raises:
        _UnusableError: HEIC, or too many pixels.
        Exception: whatever Pillow raises.
    """
    try:
        with _unlimited():
            image = Image.open(file, formats=formats)
    except UnidentifiedImageError:
        if is_heif(file):
            raise _UnusableError(HEIF_ADVICE) from None
        raise
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise _UnusableError(
            f"has {width}x{height} pixels, more than the {MOST_PIXELS / 1e6:.0f} million that are "
            "read. Cut it into parts, or save it smaller"
        )
    return image


def _load(image: Image.Image) -> None:
    """Decode; raises on truncated data, where OpenCV would fill with grey."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        with _unlimited():  # some formats ask for the limit again
            image.load()
    else:
        image.load()


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"no picture at {path}. {_LOOK}") from error
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror or error}") from error


def why_unreadable(error: BaseException | None) -> str:
    """In a few words, what a decoder found wrong with a file."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path, which is named beside it
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
