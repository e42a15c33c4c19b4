"""What was found in one picture, in the forms that people want it in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.data.images import read_image
from yolokit.drawing import Style, draw_detections
from yolokit.errors import ImageError, YolokitError
from yolokit.files import written_atomically
from yolokit.inference.words import counted
from yolokit.plain_text import tamed
from yolokit.types import Detections

_SHOWN = 20  # detections that print() lists
_NOTEBOOK_PX = 800  # longest side of the picture in a notebook, whose file keeps it


@dataclass(frozen=True, slots=True)
class Detection:
    """One box that was found.

    Args:
        box: (x1, y1, x2, y2) in pixels of the picture.
        score: 0..1.
        label: 0..C-1.
        name: of its class.
        track_id: the same for an object in all frames of a film; None where there is none.
    """

    box: tuple[float, float, float, float]
    score: float
    label: int
    name: str
    track_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Result:
    """The detections of one picture or frame; iterate for one after the other, best first.

    One of a file holds no pixels: it can read them again. Printed, it lists what was found; in a
    notebook it shows the picture with its boxes.

    Args:
        detections: boxes in the picture's pixels, best first.
        class_names: the name of label 0..C-1.
        category_ids: the training data's category id of label 0..C-1.
        image_hw: the upright picture's (height, width), pixels.
        source: the path or address it was read from; None for an array or a PIL image.
        pixels: [H, W, 3] uint8 RGB of what is no picture file; None for a picture file.
        frame: its number in a video or stream, from 0; None for a picture.
        pts_ms: when that frame is shown, milliseconds from the start; None for a picture.
    """

    detections: Detections
    class_names: list[str]
    category_ids: list[int]
    image_hw: tuple[int, int]
    source: str | None = None
    pixels: NDArray[np.uint8] | None = None
    frame: int | None = None
    pts_ms: float | None = None

    def __len__(self) -> int:
        return len(self.detections)

    def __bool__(self) -> bool:
        return True  # a picture in which nothing was found is a result too

    def __iter__(self) -> Iterator[Detection]:
        for ((x1, y1, x2, y2), score, label), track_id in zip(
            self._rows(), self._ids(), strict=True
        ):
            yield Detection((x1, y1, x2, y2), score, label, self.class_names[label], track_id)

    def __repr__(self) -> str:
        return f"<Result {self._title()}>"

    def __str__(self) -> str:
        lines = [self._title()]
        width = max(map(len, self.names), default=0)
        for each in list(self)[:_SHOWN]:
            corners = "".join(f"{value:9.1f}" for value in each.box)
            lines.append(tamed(f"  {each.name:<{width}}  {each.score:.2f} {corners}"))
        if len(self) > _SHOWN:
            lines.append(f"  and {len(self) - _SHOWN} more")
        return "\n".join(lines)

    def _title(self) -> str:
        frame = "" if self.frame is None else f" frame {self.frame}"
        height, width = self.image_hw
        found = counted(self.labels, self.class_names)
        return tamed(f"{self.source or 'picture'}{frame} {width}x{height}: {found}")

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; None, for the text instead, where the file is gone."""
        try:
            shown = self.draw()
        except ImageError:
            return None
        shown.thumbnail((_NOTEBOOK_PX, _NOTEBOOK_PX))
        stored = io.BytesIO()
        shown.save(stored, format="PNG")
        return stored.getvalue()

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
    def track_ids(self) -> NDArray[np.int64] | None:
        """[N] from 1, -1 for a box of no confirmed track; None where nothing was tracked."""
        return self.detections.track_ids

    @property
    def names(self) -> list[str]:
        """The class name of each of the N boxes."""
        return [self.class_names[label] for label in self.labels]

    def draw(self, *, line_width: int | None = None, labels: bool = True) -> Image.Image:
        """A copy of the picture with the boxes, their names and scores on it.

        Args:
            line_width: pixels; None for what suits the picture's size.
            labels: False leaves names and scores out.

        Raises:
            ImageError: as ``image``.
        """
        style = Style(line_width, labels)
        return Image.fromarray(
            draw_detections(self.image, self.detections, self.class_names, style)
        )

    def save(self, path: str | Path, *, line_width: int | None = None, labels: bool = True) -> Path:
        """Draw the picture and write it, whole or not at all; what has that name is replaced.

        Args:
            path: its suffix chooses the format; folders that are missing are made.
            line_width: as for ``draw``; so is ``labels``.

        Returns:
            The path.

        Raises:
            ImageError: as ``image``, or a suffix that is no picture's.
        """
        path = Path(path)
        if path.suffix.lower() not in Image.registered_extensions():
            raise ImageError(f"{path} is no name of a picture. End it in .jpg or .png")
        drawn = self.draw(line_width=line_width, labels=labels)
        with written_atomically(path) as temporary:
            drawn.save(temporary)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: source, width, height and one record per box.

        For a frame also ``frame`` and ``pts_ms``, and where objects are tracked ``track_id``.
        """
        height, width = self.image_hw
        tracks = [{} if self.track_ids is None else {"track_id": each} for each in self._ids()]
        moment = {} if self.frame is None else {"frame": self.frame, "pts_ms": self.pts_ms}
        return {
            "source": self.source,
            **moment,
            "width": width,
            "height": height,
            "detections": [
                {"box": box, "score": score, "label": label, "name": self.class_names[label], **of}
                for (box, score, label), of in zip(self._rows(), tracks, strict=True)
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

    def to_df(self) -> Any:
        """A ``pandas.DataFrame``, a row for each box: x1 y1 x2 y2 score label name, source, frame.

        Several results make one table by ``pandas.concat``; ``polars.from_pandas`` takes it too.

        Raises:
            YolokitError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise YolokitError(
                "pandas is not installed, which to_df() needs. pip install pandas"
            ) from error
        table = pandas.DataFrame(self.boxes, columns=["x1", "y1", "x2", "y2"])
        return table.assign(
            score=self.scores,
            label=self.labels,
            name=self.names,
            source=self.source,
            frame=self.frame,
            **({} if self.track_ids is None else {"track_id": self.track_ids}),
        )

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
                "pip install 'supervision<0.30'"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={"class_name": np.array(self.names, dtype=np.str_)},
        )

    def _ids(self) -> list[int | None]:
        ids = [-1] * len(self) if self.track_ids is None else self.track_ids.tolist()
        return [each if each > 0 else None for each in ids]

    def _rows(self) -> list[tuple[list[float], float, int]]:
        found = self.detections
        return list(
            zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        )
