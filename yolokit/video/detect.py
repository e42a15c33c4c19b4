"""One walk from sources to files: decode, predict, draw, record."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.drawing import draw_boxes
from yolokit.errors import SourceError
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Skipped, Source
from yolokit.video.names import OutputNames
from yolokit.video.pipeline import Observe, Predict, run_pipeline
from yolokit.video.reader import FrameReader
from yolokit.video.sinks import AnnotatedSink, RecordSink, RowSink, Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a walk did.

    Args:
        frames: read, predicted and consumed.
        written: files, in the order they were finished.
        skipped: sources that could not be read.
        notes: sources that were read in part, and what of them is not in the files.
        broken_off: whether a live source stopped sending.
    """

    frames: int
    written: list[Path]
    skipped: list[Skipped]
    notes: list[str]
    broken_off: bool


class Painter:
    """Draws a frame's detections with their names and scores."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = class_names

    def __call__(self, frame: Frame, detections: Detections) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, new."""
        found = detections
        return draw_boxes(frame.image, found.boxes, found.labels, self._names, found.scores)


def detect(
    sources: Sequence[Source],
    predict: Predict,
    folder: Path,
    *,
    class_names: Sequence[str],
    batch_size: int = 1,
    save_video: bool = True,
    json_file: Path | None = None,
    category_ids: Sequence[int | None] | None = None,
    observe: Observe | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Detect in every source and write annotated pictures and videos.

    Args:
        sources: read one after the other.
        predict: see ``run_pipeline``; so are ``batch_size``, ``observe`` and ``stop``.
        folder: where pictures and videos go; no source is ever overwritten.
        class_names: name of each label.
        save_video: False writes pictures only.
        json_file: detections go there as well: one record a frame, or COCO result rows.
        category_ids: the data set's, of each label, None where it lists no such class; given for
            the pictures of a data set, asks for COCO rows.

    Raises:
        SourceError: no source could be read, or a thread failed. Nothing half-written is left
            under a final name; an unfinished video stays as ``NAME.part.mkv``.
    """
    reader = FrameReader(sources)
    annotated = AnnotatedSink(OutputNames(folder, sources), Painter(class_names), videos=save_video)
    sinks: list[Sink] = [annotated]
    if json_file is not None and category_ids is not None:
        sinks.append(RowSink(json_file, category_ids))
    elif json_file is not None:
        sinks.append(RecordSink(json_file, class_names))

    drops = _Drops()

    def consume(frame: Frame, detections: Detections) -> None:
        drops.count(frame)
        for sink in sinks:
            sink.write(frame, detections)

    try:
        frames = run_pipeline(
            reader, predict, consume, batch_size=batch_size, observe=observe, stop=stop
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
        notes=[*reader.notes, *drops.notes(), *annotated.notes],
        broken_off=reader.broken_off,
    )


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
