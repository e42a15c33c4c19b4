"""What `yolokit detect` writes of the frames of its sources."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.drawing import PLAIN, Style, draw_detections
from yolokit.inference.workers import Workers
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.json_sinks import RecordSink, RowSink
from yolokit.video.names import OutputNames
from yolokit.video.object_sinks import CropSink, TextSink
from yolokit.video.pipeline import Observe, Predict
from yolokit.video.sinks import AnnotatedSink, Sink
from yolokit.video.video_file import VideoFormat
from yolokit.video.walk import Ended, Outcome, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written.

    Args:
        pictures: annotated pictures.
        video: annotated videos, in this format; None: no videos.
        crops: each object's pixels, in a folder for each class.
        text: YOLO's text with scores, a file for each picture or frame.
        json_file: detections go there as well: one record a frame, or COCO result rows.
        category_ids: the data set's, of each label, None where it lists no such class; given for
            the pictures of a data set, asks for COCO rows.
        style: of the boxes that are drawn.
    """

    pictures: bool = True
    video: VideoFormat | None = "mp4"
    crops: bool = False
    text: bool = False
    json_file: Path | None = None
    category_ids: Sequence[int | None] | None = None
    style: Style = PLAIN


class Painter:
    """Draws a frame's detections.

    Args:
        class_names: name of each label.
        style: of the boxes.
    """

    def __init__(self, class_names: Sequence[str], style: Style = PLAIN) -> None:
        self._names, self._style = class_names, style

    def __call__(self, frame: Frame, detections: Detections) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, new."""
        return draw_detections(frame.image, detections, self._names, self._style)


def detect(
    sources: Sequence[Source],
    predict: Predict,
    folder: Path,
    *,
    class_names: Sequence[str],
    batch_size: int = 1,
    workers: Workers | None = None,
    outputs: Outputs | None = None,
    observe: Observe | None = None,
    ended: Ended | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Detect in every source and write what is wanted of it.

    Args:
        sources: read one after the other.
        predict: see ``walk``; so are ``batch_size``, ``workers``, ``observe``, ``ended`` and
            ``stop``.
        folder: where files go; no source is ever overwritten.
        class_names: name of each label.
        outputs: what is written; annotated pictures and videos by default.

    Raises:
        UnfinishedError, SourceError: as for ``walk``. Nothing half-written is left under a final
            name; an unfinished video stays as ``NAME.part.mp4``, ``.mkv`` or ``.webm``.
    """
    outputs = outputs or Outputs()
    annotated = AnnotatedSink(
        OutputNames(folder, sources),
        Painter(class_names, outputs.style),
        pictures=outputs.pictures,
        videos=outputs.video,
    )
    sinks = [annotated, *_more_sinks(outputs, folder, class_names)]
    return walk(
        sources,
        predict,
        sinks,
        batch_size=batch_size,
        workers=workers,
        observe=observe,
        ended=ended,
        stop=stop,
    )


def _more_sinks(outputs: Outputs, folder: Path, class_names: Sequence[str]) -> Iterator[Sink]:
    if outputs.crops:
        yield CropSink(folder / "crops", class_names)
    if outputs.text:
        yield TextSink(folder / "labels")
    if outputs.json_file is not None and outputs.category_ids is not None:
        yield RowSink(outputs.json_file, outputs.category_ids)
    elif outputs.json_file is not None:
        yield RecordSink(outputs.json_file, class_names)


def dataset_sources(tree: CocoTree, folder: Path) -> list[Source]:
    """The pictures of a data set's split, which lie in ``folder``, with their ids."""
    paths = [folder / name for name in tree.file_names]
    return [
        Source(str(path), Kind.IMAGE, path, image_id=image_id)
        for path, image_id in zip(paths, tree.image_ids, strict=True)
    ]
