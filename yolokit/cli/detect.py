"""``yolokit detect``: a trained model on pictures, folders, videos, cameras and streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from yolokit.inference.predictor import Predictor
    from yolokit.types import Detections
    from yolokit.video.detect import Outcome
    from yolokit.video.frames import Frame, Source
    from yolokit.video.view import View

SKIPPED_SOME = 3  # exit status: done, but not everything could be read
_SHOWN = 20  # skipped sources named one by one
_GPU_BATCH = 8  # frames a step; one on a CPU, where more gains nothing
_PICTURE_MS = 500  # how long a still picture stays in the window
_PROGRESS_SECONDS = 0.25


@click.command(name="detect", short_help="Detect in pictures, videos, cameras and streams.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/detect"),
    help="Folder for what is written.",
    show_default=True,
)
@click.option(
    "--conf",
    type=click.FloatRange(0, 1),
    default=0.25,
    help="Report what scores more.",
    show_default=True,
)
@click.option(
    "--iou",
    type=click.FloatRange(0, 1),
    help="Of two boxes of a class that overlap by more, one falls.  [default: the model's own]",
)
@click.option(
    "--max-objects",
    type=click.IntRange(min=1),
    help="At most this many in a picture.  [default: the model's own]",
)
@click.option("--show", is_flag=True, help="Watch live, in a window or a browser.")
@click.option("--save-json", is_flag=True, help="Also write the detections as JSON.")
@click.option("--save-video/--no-save-video", default=True, help="Write annotated videos.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps.", show_default=True)
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    source: tuple[str, ...],
    out: Path,
    conf: float,
    iou: float | None,
    max_objects: int | None,
    show: bool,
    save_json: bool,
    save_video: bool,
    device: str,
) -> None:
    """Detect with MODEL in every SOURCE: a picture, a folder, a glob, a video, a camera's number,
    an rtsp or http address, - for paths on stdin, or a data set's folder.

    --save-json writes one record a frame to detections.json, for a data set COCO result rows to
    detections_SPLIT.json. Exit status 3: done, but some input could not be read.

    \b
    yolokit detect model.safetensors photo.jpg "shots/*.png" --out found
    yolokit detect model.safetensors film.mp4 --save-json
    find . -name "*.jpg" | yolokit detect model.safetensors -
    """
    # Before cv2 is loaded: FFmpeg's own remarks would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from yolokit.inference.predictor import Predictor

    jobs = plan_jobs(source, out)
    predictor = Predictor.load(model, device=device)
    skipped, stopped = False, None
    with _stop_on_signals() as stopping, _live_view(show) as view:
        for job in jobs:
            if stopping.event.is_set():
                break
            outcome = _run(
                job,
                predictor,
                conf=conf,
                iou=iou,
                max_objects=max_objects,
                save_json=save_json,
                save_video=save_video,
                stop=stopping.event,
                view=view,
            )
            skipped = skipped or bool(outcome.skipped)
        stopped = stopping.number
    if stopped is not None:
        ctx.exit(128 + stopped)
    if skipped:
        ctx.exit(SKIPPED_SOME)


@dataclass(frozen=True)
class Job:
    """Sources that are written to one folder and one JSON file."""

    sources: list[Source]
    folder: Path
    json_file: Path
    is_dataset: bool = False


def plan_jobs(words: tuple[str, ...], out: Path) -> list[Job]:
    """One job for all sources, or one for each split of a data set.

    Raises:
        SourceError: a word names nothing.
        DataError: a data set that cannot be read.
    """
    from yolokit.data.locate import locate_splits
    from yolokit.errors import DataError
    from yolokit.video.detect import dataset_sources
    from yolokit.video.sources import find_sources

    path = Path(words[0])
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    if len(words) == 1 and (path.is_dir() or is_yaml):
        try:
            splits = locate_splits(path)
        except DataError:
            if is_yaml:
                raise
            splits = {}  # no data set: a folder of pictures
        if splits:
            return [
                Job(dataset_sources(split), out / name, out / f"detections_{name}.json", True)
                for name, split in splits.items()
            ]
    return [Job(find_sources(words, sys.stdin), out, out / "detections.json")]


def _run(
    job: Job,
    predictor: Predictor,
    *,
    conf: float,
    iou: float | None,
    max_objects: int | None,
    save_json: bool,
    save_video: bool,
    stop: threading.Event,
    view: View | None,
) -> Outcome:
    from yolokit.video.detect import Painter, detect
    from yolokit.video.frames import Kind

    progress = _Progress()
    paint = Painter(predictor.class_names)

    limit = predictor.card.predict.max_detections if max_objects is None else max_objects
    full = 0  # frames with as many objects as may be kept

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        return predictor.predict_images(images, conf=conf, iou=iou, max_detections=limit)

    def observe(frame: Frame, detections: Detections) -> bool:
        nonlocal full
        full += len(detections) == limit
        progress.tick()
        hold_ms = _PICTURE_MS if frame.source.kind is Kind.IMAGE else 1
        return view is None or view.show(paint(frame, detections), hold_ms=hold_ms)

    outcome = detect(
        job.sources,
        predict,
        job.folder,
        class_names=predictor.class_names,
        batch_size=1 if predictor.device == "cpu" else _GPU_BATCH,
        save_video=save_video,
        json_file=job.json_file if save_json else None,
        category_ids=predictor.category_ids if job.is_dataset else None,
        observe=observe,
        stop=stop,
    )
    progress.clear()
    if full:
        many = f"{full} {'frame has' if full == 1 else 'frames have'} {limit} objects"
        click.echo(f"note: {many}, the most that are kept. --max-objects keeps more", err=True)
    _report(outcome, job.folder, progress.seconds)
    return outcome


def _report(outcome: Outcome, folder: Path, seconds: float) -> None:
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    for skipped in outcome.skipped[:_SHOWN]:
        click.echo(f"skipped: {skipped}", err=True)
    if len(outcome.skipped) > _SHOWN:
        click.echo(f"skipped: {len(outcome.skipped) - _SHOWN} more", err=True)
    files = outcome.written
    if not files:
        where = "nothing written"
    elif len(files) <= 2:
        where = "written: " + ", ".join(map(str, files))
    else:
        where = f"{len(files)} files written to {folder}"
    frames = f"{outcome.frames} {'frame' if outcome.frames == 1 else 'frames'}"
    click.echo(f"{frames}, {outcome.frames / max(seconds, 1e-9):.1f} a second; {where}")


class _Progress:
    """A line on stderr that counts frames, where a person watches."""

    def __init__(self) -> None:
        self.frames = 0
        self._start = self._shown = time.monotonic()
        self._on = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def tick(self) -> None:
        """One frame more."""
        self.frames += 1
        now = time.monotonic()
        if self._on and now - self._shown >= _PROGRESS_SECONDS:
            self._shown = now
            rate = self.frames / self.seconds
            click.echo(f"\r{self.frames} frames, {rate:.1f} a second ", err=True, nl=False)

    def clear(self) -> None:
        """Make room for what is said next."""
        if self._on:
            click.echo("\r" + " " * 40 + "\r", err=True, nl=False)


@dataclass
class _Stopping:
    """Set by the first SIGINT or SIGTERM."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int | None = None


@contextmanager
def _stop_on_signals() -> Iterator[_Stopping]:
    """Finish the files on the first Ctrl-C or SIGTERM; a second one does not wait."""
    stopping = _Stopping()

    def remember(number: int, _frame: FrameType | None) -> None:
        if stopping.event.is_set():
            raise KeyboardInterrupt
        stopping.number = number
        stopping.event.set()
        click.echo("stopping: finishing the files, again to give up", err=True)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _live_view(wanted: bool) -> Iterator[View | None]:
    if not wanted:
        yield None
        return
    from yolokit.video.view import open_view

    view, hint = open_view()
    click.echo(hint, err=True)
    try:
        yield view
    finally:
        view.close()
