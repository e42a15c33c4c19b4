"""One walk of ``yolokit track`` over its films, and what is said at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from yolokit.cli.detect_jobs import Wanted
from yolokit.cli.detect_lines import Teller
from yolokit.cli.watching import (
    Manner,
    Watch,
    free_json,
    tell_end,
    tell_left_out,
    telling_kept,
)
from yolokit.inference.exported import least_score
from yolokit.inference.predictor import Predictor
from yolokit.inference.words import listed_counts
from yolokit.plain_text import aligned, tamed
from yolokit.tracking.counting import Counted, Counts, Tally
from yolokit.tracking.follower import weak_threshold
from yolokit.tracking.library import library_follower
from yolokit.tracking.records import track_record
from yolokit.tracking.track import Following, TrackOutputs, track
from yolokit.tracking.tracker import TrackerName
from yolokit.tracking.votes import ClassVotes
from yolokit.types import Detections
from yolokit.video.frames import Frame, Source
from yolokit.video.walk import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How objects are followed.

    Args:
        tracker: which.
        lines: to count over, as for ``Counting``; so are ``zones``.
    """

    tracker: TrackerName
    lines: Sequence[str] = ()
    zones: Sequence[str] = ()


class TrackTeller(Teller):
    """Says how many objects there were, not how many boxes, and what was counted in each film."""

    def __init__(self, class_names: Sequence[str], *, quiet: bool, as_json: bool) -> None:
        super().__init__(class_names, 0, quiet=quiet, as_json=as_json)
        self._votes, self._ended = ClassVotes(), Counter[int]()
        self._of: Source | None = None
        self._counts: Counts | None = None

    def tell(self, frame: Frame, detections: Detections, seconds: float) -> None:
        """One frame was looked at, in so many seconds."""
        super().tell(frame, detections, seconds)
        if frame.source is not self._of:
            self._ended += self._votes.objects()
            self._votes, self._of = ClassVotes(), frame.source
        self._votes.add(detections)
        self._counts = detections.counts if isinstance(detections, Counted) else None

    def end_film(self) -> None:
        """The source has ended; that is said, and what was counted in it."""
        super().end_film()
        if self._counts is not None and not self._silent:
            for tally in self._counts.tallies:
                click.echo(f"\n{count_table(tally, self._names)}")
        self._counts = None

    def record(self, frame: Frame, detections: Detections) -> dict[str, Any]:
        """What a line of JSON says of a frame."""
        return track_record(frame, detections, self._names)

    def found(self) -> str:
        """The objects of the film that ends."""
        return listed_counts(self._votes.objects(), self._names)

    def table(self) -> str:
        """How many objects of each class there were, and in how many frames boxes of it."""
        objects = self._ended + self._votes.objects()
        rows = [["class", "objects", "boxes", "frames"]]
        boxes = self.all.objects
        for label in sorted(boxes, key=lambda each: (-objects[each], -boxes[each], each)):
            counts = objects[label], boxes[label], self.all.frames_with[label]
            rows.append([tamed(self._names[label]), *map(str, counts)])
        rows.append(["all", str(objects.total()), str(boxes.total()), f"of {self.all.frames}"])
        return aligned(rows)


def count_table(tally: Tally, class_names: Sequence[str]) -> str:
    """What was counted at one line or zone, a row for each class."""
    kinds = list(tally.kinds)
    rows = [[tally.place, *kinds]]
    for label in sorted({label for numbers in tally.kinds.values() for label in numbers}):
        numbers = [_number(tally.kinds[kind].get(label, 0), kind) for kind in kinds]
        rows.append([tamed(class_names[label]), *numbers])
    rows.append(["all", *(_number(tally.total(kind), kind) for kind in kinds)])
    return aligned(rows)


def _number(value: float, kind: str) -> str:
    return f"{value:.1f}" if kind == "seconds" else f"{value:g}"


def run(
    films: Sequence[Source],
    predictor: Predictor,
    wanted: Wanted,
    asked: Asked,
    out: Path,
    outputs: TrackOutputs,
    manner: Manner,
) -> Outcome:
    """Track in all films, write what is wanted, and say what was found.

    Args:
        outputs: without a JSON file, see ``manner``.
    """
    names = predictor.class_names
    teller = TrackTeller(names, quiet=manner.quiet, as_json=manner.as_json)
    weak = replace(wanted, conf=weak_threshold(wanted.conf, least_score(predictor.card)))
    watch = Watch(predictor, weak, teller, manner.view, outputs.painter(names))
    overlap = predictor.card.predict.iou_threshold if wanted.iou is None else wanted.iou
    follower = library_follower(asked.tracker, score_threshold=wanted.conf, iou_threshold=overlap)
    began = time.monotonic()
    aloud = not (manner.quiet or manner.as_json)
    with telling_kept(teller, aloud=aloud):
        outcome = track(
            films,
            watch.predict,
            Following(follower=follower, lines=asked.lines, zones=asked.zones),
            out,
            class_names=names,
            batch_size=watch.batch_size,
            workers=watch.workers,
            outputs=replace(
                outputs, json_file=free_json(out / "tracks.json") if manner.save_json else None
            ),
            observe=watch.observe,
            ended=teller.end_film,
            stop=manner.stop,
        )
    watch.tell_full()
    tell_left_out(outcome)
    if aloud:
        tell_end(outcome, teller, time.monotonic() - began, out)
    return outcome
