"""What ``yolokit detect`` says: a line a picture, progress of a film, a table of counts."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np

from yolokit.cli.progress_line import ProgressLine
from yolokit.inference.words import listed_counts
from yolokit.plain_text import aligned, tamed
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.json_sinks import to_record


@dataclass
class Tally:
    """Objects of one film, or of a whole walk.

    Args:
        frames: looked at.
        objects: label -> how many were found.
        frames_with: label -> in how many frames.
        seconds: that detecting took, without reading and writing.
    """

    frames: int = 0
    objects: Counter[int] = field(default_factory=Counter)
    frames_with: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, detections: Detections, seconds: float) -> None:
        """Count one frame."""
        labels, counts = np.unique(detections.labels, return_counts=True)
        self.frames += 1
        self.objects.update(dict(zip(labels.tolist(), counts.tolist(), strict=True)))
        self.frames_with.update(labels.tolist())
        self.seconds += seconds


class Teller:
    """Says what was found, in lines for people or as JSON, one line a frame.

    Args:
        class_names: name of each label.
        pictures: how many pictures there will be.
        quiet: say nothing.
        as_json: lines of JSON on stdout, and nothing else there.
    """

    def __init__(
        self, class_names: Sequence[str], pictures: int, *, quiet: bool, as_json: bool
    ) -> None:
        self.all = Tally()
        self._names, self._pictures = class_names, pictures
        self._silent, self._as_json = quiet or as_json, as_json
        self._line = ProgressLine(on=not self._silent)
        self._source: Source | None = None
        self._film, self._began = Tally(), time.monotonic()
        self._seen = 0  # pictures

    def tell(self, frame: Frame, detections: Detections, seconds: float) -> None:
        """One frame was looked at, in so many seconds."""
        if frame.source is not self._source:
            self.end_film()
            self._source, self._film = frame.source, Tally()
            self._began = time.monotonic() - seconds
        self.all.add(detections, seconds)
        self._film.add(detections, seconds)
        self._seen += frame.source.kind is Kind.IMAGE
        if self._as_json:
            click.echo(json.dumps(self.record(frame, detections), allow_nan=False))
        elif frame.source.kind is Kind.IMAGE:
            self._picture(frame)
        elif not self._silent:
            self._line.say(lambda: self._progress(frame))

    def end_film(self) -> None:
        """The source has ended; of a film that is said."""
        film, source = self._film, self._source
        if source is None or source.kind is Kind.IMAGE or self._silent:
            return
        self._line.clear()
        click.echo(
            f"{tamed(source.name)}: {_frames(film.frames)}, found {tamed(self.found())} "
            f"({_milliseconds(film)} ms a frame)"
        )
        self._source = None

    def break_off(self) -> None:
        """The source has not ended, and nothing is said of it."""
        self._line.clear()
        self._source = None

    def record(self, frame: Frame, detections: Detections) -> dict[str, Any]:
        """What a line of JSON says of a frame."""
        return to_record(frame, detections, self._names)

    def found(self) -> str:
        """What was found in the film that ends."""
        return listed_counts(self._film.objects, self._names)

    def table(self) -> str:
        """How many objects of each class were found in how many pictures or frames."""
        rows = [["class", "objects", self.unit(2)]]
        for label, count in sorted(self.all.objects.items(), key=lambda each: (-each[1], each[0])):
            name = tamed(self._names[label])
            rows.append([name, str(count), str(self.all.frames_with[label])])
        rows.append(["all", str(self.all.objects.total()), f"of {self.all.frames}"])
        return aligned(rows)

    def unit(self, count: int) -> str:
        """What was looked at: pictures, or frames where films are among them."""
        one = "picture" if self._seen == self.all.frames else "frame"
        return one if count == 1 else f"{one}s"

    def _picture(self, frame: Frame) -> None:
        if self._silent:
            return
        place = f"{self._seen}/{self._pictures} " if self._pictures > 1 else ""
        found = listed_counts(self._film.objects, self._names)
        took = _milliseconds(self._film)
        click.echo(f"{place}{tamed(frame.source.name)}: {tamed(found)} ({took} ms)")

    def _progress(self, frame: Frame) -> str:
        done, seconds = self._film.frames, time.monotonic() - self._began
        rate = done / max(seconds, 1e-9)
        text = f"{frame.source.name}: {done}"
        if frame.total >= done:
            left = (frame.total - done) / max(rate, 1e-9)
            text += f" of {frame.total} frames, {rate:.1f} a second, {_clock(left)} left"
        else:
            text += f" frames, {rate:.1f} a second"
        return tamed(text)


def _frames(count: int) -> str:
    return f"{count} {'frame' if count == 1 else 'frames'}"


def _milliseconds(tally: Tally) -> str:
    return f"{1000 * tally.seconds / max(1, tally.frames):.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
