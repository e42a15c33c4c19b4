"""One walk from sources to files: decode, predict, draw, record."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.drawing import PLAIN, Style, draw_detections
from yolokit.errors import SourceError
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Skipped, Source
from yolokit.video.names import OutputNames
from yolokit.video.object_sinks import CropSink, TextSink
from yolokit.video.pipeline import Follow, Observe, Predict, run_pipeline
from yolokit.video.reader import FrameReader
from yolokit.video.sinks import AnnotatedSink, RecordSink, RowSink, Sink
from yolokit.video.video_file import VideoFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a walk did.

    Args:
        frames: read, predicted and consumed.
        written: files, in the order they were finished.
        skipped: sources that could not be read.
        notes: sources that were read in part, and what of them is not in the files.
        broken_off: whether a live source stopped sending.
        hints: what to do where a file does not play.
    """

    frames: int
    written: list[Path]
    skipped: list[Skipped]
    notes: list[str]
    broken_off: bool
    hints: list[str] = field(default_factory=list)


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
    outputs: Outputs | None = None,
    observe: Observe | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Detect in every source and write what is wanted of it.

    Args:
        sources: read one after the other.
        predict: see ``run_pipeline``; so are ``batch_size``, ``observe`` and ``stop``.
        folder: where files go; no source is ever overwritten.
        class_names: name of each label.
        outputs: what is written; annotated pictures and videos by default.

    Raises:
        SourceError: no source could be read, or a thread failed. Nothing half-written is left
            under a final name; an unfinished video stays as ``NAME.part.mp4``, ``.mkv`` or
            ``.webm``.
    """
    outputs = outputs or Outputs()
    annotated = AnnotatedSink(
        OutputNames(folder, sources),
        Painter(class_names, outputs.style),
        pictures=outputs.pictures,
        videos=outputs.video,
    )
    sinks = [annotated, *_more_sinks(outputs, folder, class_names)]
    outcome = walk(sources, predict, sinks, batch_size=batch_size, observe=observe, stop=stop)
    return replace(
        outcome, notes=[*outcome.notes, *annotated.notes], hints=[*outcome.hints, *annotated.hints]
    )


def walk(
    sources: Sequence[Source],
    predict: Predict,
    sinks: Sequence[Sink],
    *,
    batch_size: int = 1,
    follow: Follow | None = None,
    observe: Observe | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Detect in every source and give each frame to every sink; all are closed, or aborted.

    Args:
        sources: read one after the other.
        predict: see ``run_pipeline``; so are ``batch_size``, ``follow``, ``observe`` and ``stop``.
        sinks: in their order.

    Raises:
        SourceError: as for ``detect``.
    """
    reader = FrameReader(sources)
    drops = _Drops()

    def consume(frame: Frame, detections: Detections) -> None:
        drops.count(frame)
        for sink in sinks:
            sink.write(frame, detections)

    try:
        frames = run_pipeline(
            reader,
            predict,
            consume,
            batch_size=batch_size,
            follow=follow,
            observe=observe,
            stop=stop,
        )
        if frames == 0 and reader.skipped:
            more = f" ({len(sources)} sources, none of them readable)" if len(sources) > 1 else ""
            raise SourceError(f"{reader.skipped[0]}{more}")
        for sink in sinks:
            sink.close()
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise
    return Outcome(
        frames=frames,
        written=[path for sink in sinks for path in sink.written],
        skipped=reader.skipped,
        notes=[*reader.notes, *drops.notes()],
        broken_off=reader.broken_off,
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


class _Drops:
    """Counts the frames of live sources that were passed over for newer ones."""

    def __init__(self) -> None:
        self._seen: dict[Source, tuple[int, int]] = {}  # how many frames, the last one's number

    def count(self, frame: Frame) -> None:
        """One frame was looked at."""
        if frame.live:
            self._seen[frame.source] = self._seen.get(frame.source, (0, 0))[0] + 1, frame.index

    def notes(self) -> list[str]:
        """A sentence for each source of which frames were dropped."""
        return [
            f"{source.name}: {last + 1 - count} of {last + 1} frames were dropped, so that the "
            "newest is always looked at"
            for source, (count, last) in self._seen.items()
            if count < last + 1
        ]


def dataset_sources(tree: CocoTree, folder: Path) -> list[Source]:
    """The pictures of a data set's split, which lie in ``folder``, with their ids."""
    paths = [folder / name for name in tree.file_names]
    return [
        Source(str(path), Kind.IMAGE, path, image_id=image_id)
        for path, image_id in zip(paths, tree.image_ids, strict=True)
    ]
