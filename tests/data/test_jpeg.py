"""simplejpeg against Pillow: the same pixels, and Pillow has the last word on what is damaged."""

from __future__ import annotations

import io
import random
import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from yolokit.data import jpeg
from yolokit.data.images import decode_image
from yolokit.data.jpeg import decode_sound_jpeg
from yolokit.errors import ImageError

pytest.importorskip("simplejpeg")


def colours(height: int = 48, width: int = 64) -> Image.Image:
    """Slopes and noise: all that a decoder could get wrong by a level."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 256, (height, width))
    return Image.fromarray(np.dstack([rows * 4, columns * 3, noise]).astype(np.uint8))


def encoded(image: Image.Image, **options: object) -> bytes:
    stored = io.BytesIO()
    image.save(stored, "JPEG", **options)  # type: ignore[arg-type]
    return stored.getvalue()


def sound_files() -> Iterator[bytes]:
    for sampling in (0, 1, 2, "4:1:1"):
        for progressive in (False, True):
            for quality in (30, 95):
                kind = {"subsampling": sampling, "progressive": progressive, "quality": quality}
                yield encoded(colours(), **kind)
                yield encoded(colours(37, 53), restart_marker_blocks=2, **kind)
    yield encoded(colours().convert("L"))
    yield encoded(colours(), keep_rgb=True)


def by_simplejpeg(data: bytes) -> NDArray[np.uint8] | None:
    with Image.open(io.BytesIO(data)) as image:
        return decode_sound_jpeg(image, data)


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def test_every_kind_of_jpeg_has_pillows_pixels() -> None:
    files = [*sound_files()]
    assert len(files) == 34
    for data in files:
        pixels = by_simplejpeg(data)
        assert pixels is not None
        np.testing.assert_array_equal(pixels, by_pillow(data))
        assert pixels.flags.c_contiguous and pixels.flags.writeable and pixels.dtype == np.uint8


def test_cmyk_and_other_formats_are_left_to_pillow() -> None:
    assert by_simplejpeg(encoded(colours().convert("CMYK"))) is None
    stored = io.BytesIO()
    colours().save(stored, "PNG")
    assert by_simplejpeg(stored.getvalue()) is None


def test_a_damaged_file_is_what_pillow_says_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut, changed and shortened at random: read as before, or refused in the same words."""
    choice, files, ends = random.Random(0), [*sound_files()], Counter[str]()
    for _ in range(1500):
        data = bytearray(choice.choice(files))
        at = choice.randrange(len(data))
        match choice.randrange(3):
            case 0:
                del data[at:]
            case 1:
                data[at] = choice.randrange(256)
            case _:
                del data[at : at + choice.randrange(1, 30)]
        ours = outcome(bytes(data))
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "simplejpeg", None)
            pillows = outcome(bytes(data))
        if isinstance(ours, str) or isinstance(pillows, str):
            assert ours == pillows
            ends["refused"] += 1
        else:
            np.testing.assert_array_equal(ours, pillows)
            ends["read"] += 1
    assert min(ends["refused"], ends["read"]) > 200


def outcome(data: bytes) -> NDArray[np.uint8] | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's, about damaged tags
        try:
            return decode_image(data)
        except ImageError as error:
            return str(error)


def test_without_simplejpeg_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(colours())
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert by_simplejpeg(data) is None
    np.testing.assert_array_equal(decode_image(data), by_pillow(data))
