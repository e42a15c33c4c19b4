"""Decoded pictures at input resolution: read each time, or kept in memory or in a file.

A kept picture is bit for bit the one that would be decoded again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.data.prepare import resize_image
from yolokit.errors import DataError, ImageError
from yolokit.files import written_atomically
from yolokit.machine import usable_memory
from yolokit.ops.letterbox import fit_letterbox, resized_hw

PictureStore: TypeAlias = Callable[[int], NDArray[np.uint8]]
CacheMode: TypeAlias = Literal["none", "ram", "disk"]

_FORMAT = 1  # of the cache file: raise it when decoding or resizing changes pixels
_RAM_SHARE = 0.7  # of the usable memory; the rest is for the training itself
_FILL_THREADS = 4


def open_store(
    data: CocoDataset,
    input_hw: tuple[int, int] | None,
    cache: CacheMode = "none",
    folder: Path | None = None,
) -> PictureStore:
    """A function from picture index to [h, w, 3] uint8 RGB at input resolution, unpadded.

    ``ram`` and ``disk`` decode every picture here, once. Memory is shared with forked workers.

    Raises:
        DataError: the pictures fit neither memory nor the cache folder.
        ImageError: a picture cannot be decoded, or has another size than its annotation says.
    """
    store = _Decoder(data, input_hw)
    if cache == "none":
        return store
    shapes = _kept_shapes(data.sizes_hw, input_hw)
    offsets = np.concatenate([[0], np.cumsum([3 * height * width for height, width in shapes])])
    if cache == "ram":
        return _Kept(_in_memory(store, offsets), shapes, offsets)
    path = _cache_file(data, input_hw, folder)
    if not (path.is_file() and path.stat().st_size == offsets[-1]):
        _write_file(path, store, offsets)
    return _KeptInFile(path, shapes, offsets)


def kept_bytes(sizes_hw: NDArray[np.int64], input_hw: tuple[int, int]) -> int:
    """What pictures take in memory or in a file.

    Args:
        sizes_hw: [I, 2] (height, width) of the originals, pixels.
        input_hw: the network input's (height, width), pixels.
    """
    return sum(3 * height * width for height, width in _kept_shapes(sizes_hw, input_hw))


def pictures_digest(data: CocoDataset, input_hw: tuple[int, int] | None) -> Any:
    """A SHA-256, to be added to, of all that decoded pictures depend on: the set, the input's size,
    each file's place, size and time of change."""
    digest = hashlib.sha256(f"{_FORMAT} {input_hw} {data.fingerprint}".encode())
    for path in data.image_paths:
        status = path.stat() if path.is_file() else None
        digest.update(
            f"{path.absolute()} {status and (status.st_size, status.st_mtime_ns)}".encode()
        )
    return digest


class _Decoder:
    def __init__(self, data: CocoDataset, input_hw: tuple[int, int] | None) -> None:
        self.data = data
        self.input_hw = input_hw

    def __call__(self, index: int) -> NDArray[np.uint8]:
        path = self.data.image_path(index)
        image = read_image(path)
        stated = tuple(self.data.sizes_hw[index].tolist())
        if image.shape[:2] != stated:
            raise ImageError(
                f"{path} is {image.shape[1]}x{image.shape[0]} pixels but its annotation says "
                f"{stated[1]}x{stated[0]}. Correct the annotation file or the picture"
            )
        return resize_image(image, fit_letterbox((stated[0], stated[1]), self.input_hw))


class _Kept:
    def __init__(
        self,
        pixels: NDArray[np.uint8],
        shapes: list[tuple[int, int]],
        offsets: NDArray[np.int64],
    ) -> None:
        self.pixels = pixels
        self.shapes = shapes
        self.offsets = offsets

    def __call__(self, index: int) -> NDArray[np.uint8]:
        flat = self.pixels[self.offsets[index] : self.offsets[index + 1]]
        return np.asarray(flat).reshape(*self.shapes[index], 3)


class _KeptInFile(_Kept):
    """Maps the file in each process anew: a pickled map would copy every pixel."""

    def __init__(
        self, path: Path, shapes: list[tuple[int, int]], offsets: NDArray[np.int64]
    ) -> None:
        self.path = path
        super().__init__(np.memmap(path, dtype=np.uint8, mode="r"), shapes, offsets)

    def __reduce__(self) -> tuple[object, ...]:
        return _KeptInFile, (self.path, self.shapes, self.offsets)


def _kept_shapes(
    sizes_hw: NDArray[np.int64], input_hw: tuple[int, int] | None
) -> list[tuple[int, int]]:
    return [resized_hw(fit_letterbox((h, w), input_hw)) for h, w in sizes_hw.tolist()]


def _in_memory(store: _Decoder, offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    needed, memory = int(offsets[-1]), usable_memory()
    if memory is not None and needed > _RAM_SHARE * memory:
        raise DataError(
            f"data.cache=ram needs {needed / 1e9:.1f} GB of {memory / 1e9:.1f} GB of memory "
            "that this process may use. Use data.cache=disk or a smaller data.image_size"
        )
    pixels = np.empty(needed, dtype=np.uint8)
    _fill(pixels, store, offsets)
    pixels.flags.writeable = False
    return pixels


def _fill(pixels: NDArray[np.uint8], store: _Decoder, offsets: NDArray[np.int64]) -> None:
    def keep(index: int) -> None:
        pixels[offsets[index] : offsets[index + 1]] = store(index).reshape(-1)

    with ThreadPoolExecutor(_FILL_THREADS) as pool:
        for _ in pool.map(keep, range(len(offsets) - 1)):
            pass


def _write_file(path: Path, store: _Decoder, offsets: NDArray[np.int64]) -> None:
    """Write beside the target and rename, so that a killed run leaves no half-filled cache."""
    try:
        with written_atomically(path) as temporary:
            os.truncate(temporary, int(offsets[-1]))
            pixels = np.memmap(temporary, dtype=np.uint8, mode="r+")
            _fill(pixels, store, offsets)
            pixels.flush()
    except OSError as error:
        raise DataError(
            f"cannot write the picture cache {path}: {error.strerror or error}. "
            "Free some space or use data.cache=none"
        ) from error


def _cache_file(data: CocoDataset, input_hw: tuple[int, int] | None, folder: Path | None) -> Path:
    """Named after everything the pixels depend on: a changed picture makes another file."""
    digest = pictures_digest(data, input_hw)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (folder or home / "yolokit" / "pictures") / f"{digest.hexdigest()[:32]}.u8"
