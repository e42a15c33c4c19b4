"""One walk over films: detect, follow, draw, record."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yolokit.drawing import PLAIN, Style
from yolokit.inference.workers import Workers
from yolokit.tracking.count_films import CountEachFilm
from yolokit.tracking.follower import Follower
from yolokit.tracking.mot_text import MotSink
from yolokit.tracking.painter import TrackPainter
from yolokit.tracking.records import track_record
from yolokit.video.frames import Source
from yolokit.video.json_sinks import RecordSink
from yolokit.video.names import OutputNames
from yolokit.video.pipeline import Follow, Observe, Predict
from yolokit.video.sinks import AnnotatedSink, Sink
from yolokit.video.video_file import VideoFormat
from yolokit.video.walk import Ended, Outcome, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What is made of each frame's detections: ids, and counts where they are asked for.

    Args:
        follower: gives ids.
        lines: each as for ``Counting``; so are ``zones``.
    """

    follower: Follower
    lines: Sequence[str] = ()
    zones: Sequence[str] = ()

    def follow(self) -> Follow:
        """A new function of frames and their detections; counts begin anew with each film."""
        counting = CountEachFilm(lines=self.lines, zones=self.zones)
        if not (self.lines or self.zones):
            return self.follower
        return lambda frame, detections: counting(frame, self.follower(frame, detections))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOutputs:
    """What is written.

    Args:
        video: the drawn films, in this format; None: none.
        json_file: a record for each frame.
        mot: MOTChallenge's text, in the folder ``mot``.
        style: of the boxes that are drawn.
        tail_seconds: how far back each object's path is drawn; 0 draws none.
    """

    video: VideoFormat | None = "mp4"
    json_file: Path | None = None
    mot: bool = False
    style: Style = PLAIN
    tail_seconds: float = 0.0

    def painter(self, class_names: Sequence[str]) -> TrackPainter:
        """What draws each frame; it remembers paths, so that everybody who draws has their own."""
        return TrackPainter(class_names, self.style, tail_seconds=self.tail_seconds)


def track(
    sources: Sequence[Source],
    predict: Predict,
    following: Following,
    folder: Path,
    *,
    class_names: Sequence[str],
    batch_size: int = 1,
    workers: Workers | None = None,
    outputs: TrackOutputs | None = None,
    observe: Observe | None = None,
    ended: Ended | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Follow the objects of every film and write what is wanted.

    Args:
        sources: films, one after the other.
        predict: see ``walk``; so are ``batch_size``, ``workers``, ``observe``, ``ended`` and
            ``stop``. Its boxes score more than ``weak_threshold``.
        following: ids and counts.
        folder: where files go; no source is ever overwritten.
        class_names: name of each label.
        outputs: what is written; the drawn films by default.

    Raises:
        ConfigError: a line or zone that is none.
        UnfinishedError, SourceError: as for ``yolokit.video.detect.detect``; also a line or zone
            that lies outside a film's picture (``require_fit`` can tell before).
    """
    outputs = outputs or TrackOutputs()
    annotated = AnnotatedSink(
        OutputNames(folder, sources), outputs.painter(class_names), videos=outputs.video
    )
    return walk(
        sources,
        predict,
        [annotated, *_more_sinks(outputs, folder, class_names)],
        batch_size=batch_size,
        workers=workers,
        follow=following.follow(),
        observe=observe,
        ended=ended,
        stop=stop,
    )


def _more_sinks(outputs: TrackOutputs, folder: Path, class_names: Sequence[str]) -> Iterator[Sink]:
    if outputs.json_file is not None:
        yield RecordSink(outputs.json_file, class_names, track_record)
    if outputs.mot:
        yield MotSink(folder / "mot")
