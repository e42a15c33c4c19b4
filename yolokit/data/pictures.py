"""The pictures of a split as the network is fed, in order, decoded ahead of it. Needs no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from yolokit.data.cache import PictureStore, open_store
from yolokit.data.coco import CocoDataset
from yolokit.data.prepare import pad_image
from yolokit.ops.letterbox import fit_letterbox
from yolokit.types import ImageId, Letterbox

_T = TypeVar("_T")


class PreparedPicture(NamedTuple):
    """One picture: image [H, W, 3] uint8 RGB of the input size, and the way back from it."""

    image: NDArray[np.uint8]
    letterbox: Letterbox
    image_id: ImageId


class PreparedPictures:
    """The pictures of a split without their truth, for detection: nothing is augmented.

    Args:
        data: the split.
        input_hw: the network input's (height, width), pixels.
        cache: keep decoded pictures at input resolution in memory or in a file.
        cache_folder: where ``cache="disk"`` keeps its file; by default the user's cache folder.

    Raises:
        DataError: the cache does not fit.
        ImageError: a picture cannot be decoded, or has another size than its annotation says.
    """

    def __init__(
        self,
        data: CocoDataset,
        input_hw: tuple[int, int],
        *,
        cache: Literal["none", "ram", "disk"] = "none",
        cache_folder: Path | None = None,
    ) -> None:
        self.data, self.input_hw = data, input_hw
        self._pictures: PictureStore = open_store(data, input_hw, cache, cache_folder)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> PreparedPicture:
        """Picture ``index``, 0 up to the number of pictures; may be called by several threads."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside a data set of {len(self)} pictures")
        height, width = self.data.sizes_hw[index].tolist()
        letterbox = fit_letterbox((height, width), self.input_hw)
        image = pad_image(self._pictures(index), letterbox)
        return PreparedPicture(image, letterbox, self.data.image_id(index))


def read_ahead(
    load: Callable[[int], _T], indices: Sequence[int], *, threads: int, ahead: int
) -> Iterator[_T]:
    """``load`` of each index, in order; a few are loaded before they are asked for.

    Args:
        load: called in the threads.
        indices: in the order of the results.
        threads: 0 loads in the calling thread, when asked.
        ahead: results that may wait, beside the one that is asked for.

    Raises:
        Whatever ``load`` raises, at its place; what is loaded ahead is then given up.
    """
    if threads == 0:
        yield from map(load, indices)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[_T]] = deque()
    try:
        for index in indices:
            waiting.append(pool.submit(load, index))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
