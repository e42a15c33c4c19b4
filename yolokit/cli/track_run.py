"""One walk of ``yolokit track`` over its films, and what is said at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yolokit.cli.detect_jobs import Wanted
from yolokit.cli.detect_lines import Teller
from yolokit.cli.watching import Manner, Watch, free_json, tell_end, tell_left_out
from yolokit.inference.exported import least_score
from yolokit.inference.predictor import Predictor
from yolokit.inference.words import listed_counts
from yolokit.plain_text import aligned, tamed
from yolokit.tracking.follower import weak_threshold
from yolokit.tracking.library import library_follower
from yolokit.tracking.track import TrackOutputs, track
from yolokit.tracking.tracker import TrackerName
from yolokit.tracking.votes import ClassVotes
from yolokit.types import Detections
from yolokit.video.detect import Outcome
from yolokit.video.frames import Frame, Source


class TrackTeller(Teller):
    """Says how many objects there were, not how many boxes."""

    def __init__(self, class_names: Sequence[str], *, quiet: bool, as_json: bool) -> None:
        super().__init__(class_names, 0, quiet=quiet, as_json=as_json)
        self._votes, self._ended = ClassVotes(), Counter[int]()
        self._of: Source | None = None

    def tell(self, frame: Frame, detections: Detections, seconds: float) -> None:
        """One frame was looked at, in so many seconds."""
        super().tell(frame, detections, seconds)
        if frame.source is not self._of:
            self._ended += self._votes.objects()
            self._votes, self._of = ClassVotes(), frame.source
        self._votes.add(detections)

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


def run(
    films: Sequence[Source],
    predictor: Predictor,
    wanted: Wanted,
    tracker: TrackerName,
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
    began = time.monotonic()
    outcome = track(
        films,
        watch.predict,
        library_follower(tracker, score_threshold=wanted.conf, iou_threshold=overlap),
        out,
        class_names=names,
        batch_size=watch.batch_size,
        outputs=replace(
            outputs, json_file=free_json(out / "tracks.json") if manner.save_json else None
        ),
        observe=watch.observe,
        stop=manner.stop,
    )
    teller.end_film()
    watch.tell_full()
    tell_left_out(outcome)
    if not (manner.quiet or manner.as_json):
        tell_end(outcome, teller, time.monotonic() - began, out)
    return outcome
