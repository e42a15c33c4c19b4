"""The pictures of a split as the network is fed, in order, decoded ahead of it. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.cache import PictureStore, open_store
from yolokit.data.coco import CocoDataset
from yolokit.data.prepare import pad_image
from yolokit.ops.letterbox import fit_letterbox
from yolokit.types import ImageId, Letterbox


class PreparedPicture(NamedTuple):
    """One picture: image [H, W, 3] uint8 RGB of the input size, and the way back from it."""

    image: NDArray[np.uint8]
    letterbox: Letterbox
    image_id: ImageId


class PreparedPictures:
    """The pictures of a split without their truth, for detection: nothing is augmented.

    Args:
        data: the split.
        input_hw: the network input's (height, width), pixels; None: each picture's own.
        cache: keep decoded pictures at input resolution in memory or in a file.
        cache_folder: where ``cache="disk"`` keeps its file; by default the user's cache folder.

    Raises:
        DataError: the cache does not fit.
        ImageError: a picture cannot be decoded, or has another size than its annotation says.
    """

    def __init__(
        self,
        data: CocoDataset,
        input_hw: tuple[int, int] | None,
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
