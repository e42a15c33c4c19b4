"""The pictures that models are timed on: files, held in memory, or photos made up for it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from yolokit.data.images import decode_image, read_image
from yolokit.errors import DataError
from yolokit.synthesis.scenes import make_scene

MOST_PICTURES = 64  # of a set, spread over it: times vary with the content, but not endlessly
_MADE_UP = 12
_MADE_UP_HW = (480, 640)
_QUALITY = 90  # of their JPEGs, as cameras write them
_CROWDING = 0.5


class BenchPictures(NamedTuple):
    """Encoded pictures, as their files hold them, and what they are in words.

    Reading a disk is not timed: the files are in memory.
    """

    encoded: tuple[bytes, ...]
    described: str

    def batches(self, size: int) -> Iterator[list[bytes]]:
        """Batches of ``size`` pictures without end, from the first picture on, round and round."""
        first = 0
        while True:
            yield [self.encoded[(first + n) % len(self.encoded)] for n in range(size)]
            first += size


def read_pictures(files: Sequence[Path], where: str) -> BenchPictures:
    """Some of these pictures, spread evenly; each is decoded once to see that it can be.

    Args:
        files: picture files.
        where: what they are, for people.

    Raises:
        DataError: there are none.
        ImageError: one cannot be read.
    """
    if not files:
        raise DataError(f"no pictures in {where}. Give a folder with pictures")
    count = min(len(files), MOST_PICTURES)
    chosen = [files[n * len(files) // count] for n in range(count)]
    shapes = [read_image(file).shape for file in chosen]
    encoded = tuple(file.read_bytes() for file in chosen)
    return BenchPictures(encoded, f"{count} pictures of {where}, {_size_in_words(shapes)}")


def made_up_pictures(seed: int = 0) -> BenchPictures:
    """JPEGs of shapes on structured ground, the same ones everywhere."""
    rng = np.random.default_rng(seed)
    scenes = [make_scene(rng, _MADE_UP_HW, 3, _CROWDING).image for _ in range(_MADE_UP)]
    encoded = tuple(map(_jpeg, scenes))
    shapes = [decode_image(each).shape for each in encoded]
    return BenchPictures(encoded, f"{_MADE_UP} made-up pictures, {_size_in_words(shapes)}")


def _jpeg(image: np.ndarray) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, format="JPEG", quality=_QUALITY)
    return stored.getvalue()


def _size_in_words(shapes: Sequence[tuple[int, ...]]) -> str:
    """Width x height of a picture in the middle, by its pixels."""
    height, width = sorted((shape[:2] for shape in shapes), key=np.prod)[len(shapes) // 2]
    return f"{'' if len(set(shapes)) == 1 else 'about '}{width}x{height} px"
