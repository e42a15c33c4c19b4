"""What `yolokit detect` and `yolokit track` have in common while they walk over frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from yolokit.cli.detect_jobs import Wanted
from yolokit.cli.detect_lines import Teller
from yolokit.files import free_file, new_folder
from yolokit.inference.predictor import Predictor
from yolokit.plain_text import tamed
from yolokit.serving.watch import open_view
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Skipped
from yolokit.video.view import View
from yolokit.video.walk import Outcome, UnfinishedError

_SHOWN = 20  # skipped sources named one by one
_GPU_BATCH = 8  # frames a step
_CPU_BATCH = 4  # frames that wait while workers look at others
_PICTURE_MS = 500  # how long a still picture stays in the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a walk is watched and what it says.

    Args:
        save_json: whether there is a JSON file.
        quiet: say only what went wrong or was left out.
        as_json: lines of JSON on stdout.
        stop: set to end early.
        view: to watch in, or None.
    """

    save_json: bool
    quiet: bool
    as_json: bool
    stop: threading.Event
    view: View | None


class Watch:
    """Predicts, and shows and tells each frame.

    Args:
        paint: a frame and its detections to RGB pixels, for the view.

    Attributes:
        workers: threads in which frames are looked at side by side.
    """

    def __init__(
        self,
        predictor: Predictor,
        wanted: Wanted,
        teller: Teller,
        view: View | None,
        paint: Callable[[Frame, Detections], NDArray[np.uint8]],
    ) -> None:
        self._full = 0  # frames with as many objects as may be kept
        self.workers = predictor.workers
        self._caller = threading.current_thread()
        self._predictor, self._wanted, self._teller = predictor, wanted, teller
        self._view, self._paint = view, paint
        self._seconds: dict[int, float] = {}  # of each frame that is looked at, by its pixels

    @property
    def batch_size(self) -> int:
        """Frames in the making at the same time; one by one where they are watched meanwhile."""
        if self._view is not None:
            return 1
        return _CPU_BATCH if self._predictor.device == "cpu" else _GPU_BATCH

    def predict(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """See ``run_pipeline``; workers call it at the same time."""
        began = time.monotonic()
        found = self._predictor.predict_images(
            images,
            conf=self._wanted.conf,
            iou=self._wanted.iou,
            max_detections=self._wanted.limit,
            classes=self._wanted.labels,
        )
        others = threading.current_thread() is not self._caller and self.workers
        taken = (time.monotonic() - began) / (others.count if others else len(images))
        self._seconds |= {id(image): taken for image in images}
        return found

    def observe(self, frame: Frame, detections: Detections) -> bool:
        """See ``run_pipeline``."""
        self._full += len(detections) == self._wanted.limit
        self._teller.tell(frame, detections, self._seconds.pop(id(frame.image)))
        if self._view is None:
            return True
        hold_ms = _PICTURE_MS if frame.source.kind is Kind.IMAGE else 1
        return self._view.show(self._paint(frame, detections), hold_ms=hold_ms)

    def tell_full(self) -> None:
        """Say that objects may be missing, where the user did not choose how many to keep."""
        if self._full and not self._wanted.limit_given:
            many = f"{self._full} {'frame has' if self._full == 1 else 'frames have'}"
            click.echo(
                f"note: {many} {self._wanted.limit} objects, the most that are kept. "
                "--max-objects keeps more",
                err=True,
            )


@contextmanager
def output_folder(out: Path | None, default: Path) -> Iterator[Path]:
    """The folder that the user gave, or a new one, which goes again if nothing was written."""
    if out is not None:
        yield out
        return
    folder = new_folder(default)
    try:
        yield folder
    finally:
        with suppress(OSError):  # not empty
            folder.rmdir()


@contextmanager
def live_view(wanted: bool) -> Iterator[View | None]:
    """A view, and a sentence on stderr that tells where to look; None where none is wanted."""
    if not wanted:
        yield None
        return
    view, hint = open_view()
    click.echo(hint, err=True)
    try:
        yield view
    finally:
        view.close()


def free_json(wanted: Path) -> Path:
    """A file that is not there yet; says so where it is not the one that was wanted."""
    file = free_file(wanted)
    if file != wanted:
        click.echo(f"note: {wanted} is kept; writing {file}", err=True)
    return file


def tell_skipped(skipped: Sequence[Skipped]) -> None:
    """Name what was not read."""
    for each in skipped[:_SHOWN]:
        click.echo(f"skipped: {tamed(str(each))}", err=True)
    if len(skipped) > _SHOWN:
        click.echo(f"skipped: {len(skipped) - _SHOWN} more", err=True)


def tell_left_out(outcome: Outcome) -> None:
    """Name what was not read, or not as it is."""
    for note in outcome.notes:
        click.echo(f"note: {tamed(note)}", err=True)
    tell_skipped(outcome.skipped)


@contextmanager
def telling_kept(teller: Teller, *, aloud: bool) -> Iterator[None]:
    """Say what is finished where a walk inside fails, before its error is told."""
    try:
        yield
    except UnfinishedError as error:
        teller.break_off()
        tell_left_out(error.finished)
        if aloud and error.finished.written:
            click.echo(f"kept: {_few(error.finished.written)}")
        raise


def tell_end(outcome: Outcome, teller: Teller, seconds: float, folder: Path) -> None:
    """The table of what was found, the rate, and what was written."""
    if teller.all.frames > 1:
        click.echo(f"\n{teller.table()}\n")
    rate = f"{outcome.frames / max(seconds, 1e-9):.1f} a second"
    looked_at = f"{outcome.frames} {teller.unit(outcome.frames)}"
    click.echo(f"{looked_at}, {rate}; {_written(outcome, folder)}")
    for hint in outcome.hints:
        click.echo(hint)


def _written(outcome: Outcome, folder: Path) -> str:
    files = outcome.written
    if not files:
        return "nothing written"
    if len(files) <= 2:
        return f"written: {_few(files)}"
    return f"{len(files)} files written to {tamed(str(folder))}"


def _few(files: Sequence[Path]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return tamed(", ".join(map(str, files[:_SHOWN]))) + more
