"""Files of single objects: each cut out of its picture, and their boxes as YOLO's text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.files import new_folder, write_text_atomically
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.names import OutputNames
from yolokit.video.sinks import save_picture

_UNSAFE = re.compile(r"[^\w.-]+")


class _Folder:
    """A new folder, made when it is first written to, and a stem in it for each frame.

    Args:
        path: of the folder; numbered where that is taken.
    """

    def __init__(self, path: Path) -> None:
        self._wanted = path
        self._made: Path | None = None
        self._names = OutputNames(path, [])
        self._stems: dict[Source, str] = {}

    @property
    def path(self) -> Path:
        """The folder."""
        if self._made is None:
            self._made = new_folder(self._wanted)
        return self._made

    def stem(self, frame: Frame) -> str:
        """The source's own name, or one with a number; of a video also the frame's."""
        stem = self._stems.get(frame.source)
        if stem is None:
            stem = self._stems[frame.source] = self._names.stem(frame.source)
        return stem if frame.source.kind is Kind.IMAGE else f"{stem}-{frame.index:06d}"


class CropSink:
    """Writes each object's pixels as ``FOLDER/CLASS/PICTURE-NUMBER.png``, without loss.

    Args:
        folder: a new one, numbered where it is taken.
        class_names: name of each label.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.written: list[Path] = []
        self._folder = _Folder(folder)
        self._class_folders = _folder_names(class_names)

    def write(self, frame: Frame, detections: Detections) -> None:
        """Cut a frame's objects out."""
        stem = self._folder.stem(frame) if len(detections) else ""
        pairs = zip(detections.boxes, detections.labels.tolist(), strict=True)
        for number, (box, label) in enumerate(pairs, 1):
            path = self._folder.path / self._class_folders[label] / f"{stem}-{number}.png"
            save_picture(path, cut_out(frame.image, box))
            self.written.append(path)

    def end_source(self) -> None:
        """All is written."""

    def close(self) -> None:
        """All is written."""

    def abort(self) -> None:
        """What is written is whole."""


class TextSink:
    """Writes a line ``LABEL CX CY WIDTH HEIGHT SCORE`` for each box, in shares of the picture.

    These are YOLO's label files with scores: ``FOLDER/PICTURE.txt``, of a video one a frame; empty
    where nothing was found.

    Args:
        folder: a new one, numbered where it is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.written: list[Path] = []
        self._folder = _Folder(folder)

    def write(self, frame: Frame, detections: Detections) -> None:
        """Write a frame's boxes."""
        path = self._folder.path / f"{self._folder.stem(frame)}.txt"
        height, width = frame.image.shape[:2]
        write_text_atomically(path, to_yolo_text(detections, (height, width)))
        self.written.append(path)

    def end_source(self) -> None:
        """All is written."""

    def close(self) -> None:
        """All is written."""

    def abort(self) -> None:
        """What is written is whole."""


def cut_out(image: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The pixels of [H, W, 3] that a box (xyxy pixels, inside the picture) touches; a view."""
    x1, y1, x2, y2 = (float(value) for value in box)
    return image[math.floor(y1) : math.ceil(y2), math.floor(x1) : math.ceil(x2)]


def to_yolo_text(detections: Detections, image_hw: tuple[int, int]) -> str:
    """Lines of label, centre, size and score, the boxes as shares of the picture's sides.

    Args:
        detections: boxes in pixels of a picture.
        image_hw: the picture's (height, width).
    """
    height, width = image_hw
    lines = []
    rows = zip(
        detections.boxes.astype(np.float64).tolist(),
        detections.scores.tolist(),
        detections.labels.tolist(),
        strict=True,
    )
    for (x1, y1, x2, y2), score, label in rows:
        centre_and_size = (
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        )
        shares = " ".join(f"{value:.8f}" for value in centre_and_size)
        lines.append(f"{label} {shares} {score:.6f}\n")
    return "".join(lines)


def _folder_names(class_names: Sequence[str]) -> list[str]:
    """A name for each class that a file system takes, none twice."""
    names: list[str] = []
    for label, name in enumerate(class_names):
        safe = _UNSAFE.sub("_", name).strip("_.") or "class"
        taken = safe.casefold() in map(str.casefold, names)
        names.append(f"{safe}_{label}" if taken else safe)
    return names
