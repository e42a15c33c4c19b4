"""Pictures to time on: made up the same everywhere, or spread over a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolokit.bench.pictures import MOST_PICTURES, made_up_pictures, read_pictures
from yolokit.data.images import decode_image
from yolokit.errors import DataError, ImageError


def test_made_up_pictures_are_jpegs_and_always_the_same() -> None:
    pictures = made_up_pictures()
    assert pictures.encoded == made_up_pictures().encoded
    assert len(set(pictures.encoded)) == len(pictures.encoded) == 12
    assert all(each.startswith(b"\xff\xd8") for each in pictures.encoded)
    assert pictures.described == "12 made-up pictures, about 640x480 px"


def test_a_large_set_is_spread_over(tmp_path: Path) -> None:
    files = []
    for number in range(2 * MOST_PICTURES):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(np.full((4, 6, 3), number, dtype=np.uint8)).save(files[-1])
    pictures = read_pictures(files, "a set")
    levels = [int(decode_image(each)[0, 0, 0]) for each in pictures.encoded]
    assert levels == list(range(0, 2 * MOST_PICTURES, 2))
    assert pictures.described == f"{MOST_PICTURES} pictures of a set, 6x4 px"
    assert pictures.encoded[0] == files[0].read_bytes()


def test_no_pictures_and_broken_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pictures in here\. Give"):
        read_pictures([], "here")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        read_pictures([broken], "here")
