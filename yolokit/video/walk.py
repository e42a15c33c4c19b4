"""One walk from sources to files: decode, predict, and hand each frame to all sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from yolokit.errors import SourceError, YolokitError
from yolokit.inference.workers import Workers
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Skipped, Source
from yolokit.video.json_sinks import RowSink
from yolokit.video.pipeline import Follow, Observe, Predict, failing, run_pipeline
from yolokit.video.reader import FrameReader, unreadable
from yolokit.video.sinks import AnnotatedSink, Sink

Ended: TypeAlias = Callable[[], None]


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


class UnfinishedError(SourceError):
    """A walk failed in one of its sources.

    Attributes:
        finished: what was done, and is whole.
    """

    def __init__(self, reason: str, finished: Outcome) -> None:
        super().__init__(reason)
        self.finished = finished


def walk(
    sources: Sequence[Source],
    predict: Predict,
    sinks: Sequence[Sink],
    *,
    batch_size: int = 1,
    workers: Workers | None = None,
    follow: Follow | None = None,
    observe: Observe | None = None,
    ended: Ended | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Detect in every source and give each frame to every sink; all are closed, or aborted.

    Args:
        sources: read one after the other.
        predict: see ``run_pipeline``; so are ``batch_size``, ``workers``, ``follow``, ``observe``
            and ``stop``. Frames of a film are never predicted together with those of another
            source.
        sinks: in their order.
        ended: called in the caller's thread when a film, or pictures in a row, are finished: their
            files have their names.

    Raises:
        SourceError: no source could be read.
        UnfinishedError: reading, following or writing failed; it names the film. What is finished
            of the sources before it stays. What else is raised is passed on, with as much kept.
    """
    walking = _Walk(sources, sinks)
    stop = stop or threading.Event()
    source: Source | None = None
    try:
        for leg in _legs(sources):
            if stop.is_set():
                break
            source = leg[0]
            walking.frames += run_pipeline(
                walking.reader.read(leg),
                predict,
                walking.consume,
                batch_size=batch_size,
                workers=workers,
                follow=follow,
                observe=observe,
                stop=stop,
            )
            walking.end_leg()
            if ended is not None:
                ended()
        walking.close(stopped=stop.is_set())
    except YolokitError as error:
        walking.abort()
        if walking.unreadable:
            raise  # nothing is finished, and the error names what was skipped
        raise UnfinishedError(_naming(source, error), walking.outcome()) from error
    except BaseException:
        walking.abort()
        raise
    return walking.outcome()


def _legs(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Each film or stream alone, pictures in a row together."""
    alone = (source if source.kind is not Kind.IMAGE else None for source in sources)
    for _, leg in groupby(zip(alone, sources, strict=True), key=lambda each: each[0]):
        yield [source for _, source in leg]


def _naming(source: Source | None, error: YolokitError) -> str:
    """What failed, after the film in which it did."""
    if source is None or source.kind is Kind.IMAGE or source.name in str(error):
        return str(error)
    return f"{source.name}: {error}"


class _Walk:
    """The frames and files of a walk so far.

    Attributes:
        unreadable: it has ended, and no source could be read.
    """

    def __init__(self, sources: Sequence[Source], sinks: Sequence[Sink]) -> None:
        self.reader = FrameReader(sources)
        self.frames = 0
        self.unreadable = False
        self._sinks = sinks
        self._drops = _Drops()
        self._left_out: list[str] = []

    def consume(self, frame: Frame, detections: Detections) -> None:
        """See ``run_pipeline``."""
        self._drops.count(frame)
        for sink in self._sinks:
            sink.write(frame, detections)

    def end_leg(self) -> None:
        """Finish the files of what was read."""
        with failing("writing"):
            for sink in self._sinks:
                sink.end_source()

    def close(self, *, stopped: bool) -> None:
        """Finish all files, but for those that mean something as a whole only, after a stop.

        Raises:
            SourceError: no source could be read.
        """
        self.unreadable = self.frames == 0 and bool(self.reader.skipped)
        if self.unreadable:
            raise unreadable(self.reader.skipped, len(self.reader.sources))
        with failing("writing"):
            for sink in self._sinks:
                if stopped and isinstance(sink, RowSink):
                    sink.abort()
                    self._left_out.append(
                        f"{sink.path}: not written; a part would be scored as all"
                    )
                else:
                    sink.close()

    def abort(self) -> None:
        """Keep what is finished."""
        for sink in self._sinks:
            sink.abort()

    def outcome(self) -> Outcome:
        """What was done until now."""
        annotated = [sink for sink in self._sinks if isinstance(sink, AnnotatedSink)]
        notes = [*self.reader.notes, *self._drops.notes(), *self._left_out]
        return Outcome(
            frames=self.frames,
            written=[path for sink in self._sinks for path in sink.written],
            skipped=self.reader.skipped,
            notes=[*notes, *(note for sink in annotated for note in sink.notes)],
            broken_off=self.reader.broken_off,
            hints=[hint for sink in annotated for hint in sink.hints],
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
