"""One walk of ``yolokit detect`` over its sources, and what is said at its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from yolokit.cli.detect_jobs import Job, Wanted
from yolokit.cli.detect_lines import Teller
from yolokit.files import free_file
from yolokit.inference.predictor import Predictor
from yolokit.plain_text import tamed
from yolokit.types import Detections
from yolokit.video.detect import Outcome, Outputs, Painter, detect
from yolokit.video.frames import Frame, Kind
from yolokit.video.view import View

_SHOWN = 20  # skipped sources named one by one
_GPU_BATCH = 8  # frames a step; one on a CPU, where more gains nothing
_PICTURE_MS = 500  # how long a still picture stays in the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a walk is watched and what it says.

    Args:
        outputs: what is written; without a JSON file, see ``save_json``.
        save_json: whether there is one.
        quiet: say only what went wrong or was left out.
        as_json: lines of JSON on stdout.
        stop: set to end early.
        view: to watch in, or None.
    """

    outputs: Outputs
    save_json: bool
    quiet: bool
    as_json: bool
    stop: threading.Event
    view: View | None


def run(job: Job, predictor: Predictor, wanted: Wanted, out: Path, manner: Manner) -> Outcome:
    """Detect in a job's sources, write what is wanted, and say what was found."""
    names = predictor.class_names
    pictures = sum(source.kind is Kind.IMAGE for source in job.sources)
    teller = Teller(names, pictures, quiet=manner.quiet, as_json=manner.as_json)
    watch = _Watch(predictor, wanted, teller, manner.view, Painter(names, manner.outputs.style))
    began = time.monotonic()
    outcome = detect(
        job.sources,
        watch.predict,
        job.folder(out),
        class_names=names,
        batch_size=1 if predictor.device == "cpu" else _GPU_BATCH,
        outputs=replace(
            manner.outputs,
            json_file=_json_file(job, out) if manner.save_json else None,
            category_ids=job.category_ids(predictor),
        ),
        observe=watch.observe,
        stop=manner.stop,
    )
    teller.end_film()
    if watch.full and not wanted.limit_given:
        many = f"{watch.full} {'frame has' if watch.full == 1 else 'frames have'} {wanted.limit}"
        click.echo(
            f"note: {many} objects, the most that are kept. --max-objects keeps more", err=True
        )
    _tell_left_out(outcome)
    if not (manner.quiet or manner.as_json):
        if teller.all.frames > 1:
            click.echo(f"\n{teller.table()}\n")
        seconds = time.monotonic() - began
        rate = f"{outcome.frames / max(seconds, 1e-9):.1f} a second"
        looked_at = f"{outcome.frames} {teller.unit(outcome.frames)}"
        click.echo(f"{looked_at}, {rate}; {_written(outcome, job.folder(out))}")
    return outcome


class _Watch:
    """Predicts, and shows and tells each frame."""

    def __init__(
        self,
        predictor: Predictor,
        wanted: Wanted,
        teller: Teller,
        view: View | None,
        paint: Painter,
    ) -> None:
        self.full = 0  # frames with as many objects as may be kept
        self._predictor, self._wanted, self._teller = predictor, wanted, teller
        self._view, self._paint = view, paint
        self._seconds = 0.0  # of each frame in the last step

    def predict(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """See ``run_pipeline``."""
        began = time.monotonic()
        found = self._predictor.predict_images(
            images,
            conf=self._wanted.conf,
            iou=self._wanted.iou,
            max_detections=self._wanted.limit,
            classes=self._wanted.labels,
        )
        self._seconds = (time.monotonic() - began) / len(images)
        return found

    def observe(self, frame: Frame, detections: Detections) -> bool:
        """See ``run_pipeline``."""
        self.full += len(detections) == self._wanted.limit
        self._teller.tell(frame, detections, self._seconds)
        if self._view is None:
            return True
        hold_ms = _PICTURE_MS if frame.source.kind is Kind.IMAGE else 1
        return self._view.show(self._paint(frame, detections), hold_ms=hold_ms)


def _json_file(job: Job, out: Path) -> Path:
    file = free_file(job.json_file(out))
    if file != job.json_file(out):
        click.echo(f"note: {job.json_file(out)} is kept; writing {file}", err=True)
    return file


def _tell_left_out(outcome: Outcome) -> None:
    for note in outcome.notes:
        click.echo(f"note: {tamed(note)}", err=True)
    for skipped in outcome.skipped[:_SHOWN]:
        click.echo(f"skipped: {tamed(str(skipped))}", err=True)
    if len(outcome.skipped) > _SHOWN:
        click.echo(f"skipped: {len(outcome.skipped) - _SHOWN} more", err=True)


def _written(outcome: Outcome, folder: Path) -> str:
    files = outcome.written
    if not files:
        return "nothing written"
    if len(files) <= 2:
        return "written: " + tamed(", ".join(map(str, files)))
    return f"{len(files)} files written to {tamed(str(folder))}"
