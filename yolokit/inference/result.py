"""What was found in one picture, in the forms that people want it in."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.data.images import read_image
from yolokit.drawing import draw_boxes
from yolokit.errors import ImageError, YolokitError
from yolokit.types import Detections


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Result:
    """The detections of one picture. One of a file holds no pixels: it can read them again.

    Args:
        detections: boxes in the picture's pixels, best first.
        class_names: the name of label 0..C-1.
        category_ids: the training data's category id of label 0..C-1.
        image_hw: the upright picture's (height, width), pixels.
        source: the path it was read from; None for an array or a PIL image.
        pixels: [H, W, 3] uint8 RGB of what is no file; None where there is a ``source``.
    """

    detections: Detections
    class_names: list[str]
    category_ids: list[int]
    image_hw: tuple[int, int]
    source: str | None = None
    pixels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.detections)

    @property
    def image(self) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, the picture itself, upright; a file is read anew each time.

        Raises:
            ImageError: the file is gone, or is no longer the picture it was.
        """
        if self.pixels is not None:
            return self.pixels
        assert self.source is not None
        image = read_image(self.source)
        if image.shape[:2] != self.image_hw:
            raise ImageError(
                f"{self.source} was {self.image_hw[1]}x{self.image_hw[0]} pixels when it was "
                f"predicted and is {image.shape[1]}x{image.shape[0]} now. Predict it again"
            )
        return image

    @property
    def boxes(self) -> NDArray[np.float32]:
        """[N, 4] xyxy pixels of ``image``."""
        return self.detections.boxes

    @property
    def scores(self) -> NDArray[np.float32]:
        """[N] in 0..1, descending."""
        return self.detections.scores

    @property
    def labels(self) -> NDArray[np.int64]:
        """[N] in 0..C-1."""
        return self.detections.labels

    @property
    def names(self) -> list[str]:
        """The class name of each of the N boxes."""
        return [self.class_names[label] for label in self.labels]

    def draw(self) -> Image.Image:
        """A copy of the picture with the boxes, their names and scores on it.

        Raises:
            ImageError: as ``image``.
        """
        drawn = draw_boxes(self.image, self.boxes, self.labels, self.class_names, self.scores)
        return Image.fromarray(drawn)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: source, width, height and one record per box."""
        height, width = self.image_hw
        return {
            "source": self.source,
            "width": width,
            "height": height,
            "detections": [
                {"box": box, "score": score, "label": label, "name": self.class_names[label]}
                for box, score, label in self._rows()
            ],
        }

    def to_coco(self, image_id: int = 0) -> list[dict[str, Any]]:
        """COCO result rows: [x, y, width, height] and the training data's category ids."""
        return [
            {
                "image_id": image_id,
                "category_id": self.category_ids[label],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
            }
            for (x1, y1, x2, y2), score, label in self._rows()
        ]

    def to_supervision(self) -> Any:
        """``supervision.Detections`` with the class names in ``data["class_name"]``.

        Raises:
            YolokitError: supervision is not installed.
        """
        try:
            supervision = import_module("supervision")
        except ImportError as error:
            raise YolokitError(
                "supervision is not installed, which to_supervision() needs. "
                "pip install supervision"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            data={"class_name": np.array(self.names, dtype=np.str_)},
        )

    def _rows(self) -> list[tuple[list[float], float, int]]:
        found = self.detections
        return list(
            zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        )
