"""``yolokit detect``: a trained model on pictures, folders, videos, cameras and streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.share import Share, device_option, precision_option

if TYPE_CHECKING:
    import threading

    import numpy as np
    from numpy.typing import NDArray

    from yolokit.cli.detect_jobs import Job, Wanted
    from yolokit.inference.exported import ComputePrecision
    from yolokit.inference.predictor import Predictor
    from yolokit.types import Detections
    from yolokit.video.detect import Outcome
    from yolokit.video.frames import Frame
    from yolokit.video.view import View

SKIPPED_SOME = 3  # exit status: done, but not everything could be read
_SHOWN = 20  # skipped sources named one by one
_GPU_BATCH = 8  # frames a step; one on a CPU, where more gains nothing
_DEFAULT_OUT = Path("runs/detect")
_PICTURE_MS = 500  # how long a still picture stays in the window


@click.command(name="detect", short_help="Detect in pictures, videos, cameras and streams.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what is written; nothing there is overwritten.  "
    "[default: runs/detect, then runs/detect-2, ...]",
)
@click.option(
    "--conf",
    type=Share(),
    default=0.25,
    help="Report what scores more.",
    show_default=True,
)
@click.option(
    "--iou",
    type=Share(),
    help="Of two boxes of a class that overlap by more, one falls.  [default: the model's own]",
)
@click.option(
    "--max-objects",
    "--max-det",
    type=click.IntRange(min=1),
    help="At most this many in a picture.  [default: the model's own]",
)
@click.option(
    "--classes", help="Report these classes only: names, with commas between.", metavar="NAME,..."
)
@click.option("--show", is_flag=True, help="Watch live, in a window or a browser.")
@click.option("--save-json", is_flag=True, help="Also write the detections as JSON.")
@click.option("--save-video/--no-save-video", default=True, help="Write annotated videos.")
@device_option
@precision_option
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    source: tuple[str, ...],
    out: Path | None,
    conf: float,
    iou: float | None,
    max_objects: int | None,
    classes: str | None,
    show: bool,
    save_json: bool,
    save_video: bool,
    device: str,
    precision: ComputePrecision,
) -> None:
    """Detect with MODEL in every SOURCE: a picture, a folder, a glob, a video, a camera's number,
    an rtsp or http address (of a picture, too), - for paths on stdin, or a data set's folder.

    MODEL is a model.safetensors, a run's folder, an exported .onnx file or an OpenVINO folder.

    Of a camera or stream the newest frame is looked at, and those that came meanwhile are dropped.
    Annotated videos play at the speed of the source, without its sound.

    --save-json writes one record a frame to detections.json, for a data set COCO result rows to
    detections_SPLIT.json. Exit status 3: done, but some input could not be read, or a stream
    stopped sending.

    \b
    yolokit detect model.safetensors photo.jpg "shots/*.png" --out found
    yolokit detect model.safetensors film.mp4 --save-json
    find . -name "*.jpg" | yolokit detect model.safetensors -
    """
    # Before cv2 is loaded: FFmpeg's own remarks would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from yolokit.cli.detect_jobs import Wanted, plan_jobs, split_names
    from yolokit.cli.progress import stop_on_signals
    from yolokit.fonts import font_note
    from yolokit.inference.predictor import Predictor, labels_of

    jobs = plan_jobs(source)
    predictor = Predictor.load(model, device=device, precision=precision)
    wanted = Wanted(
        conf=conf,
        iou=iou,
        limit=max_objects or predictor.card.predict.max_detections,
        classes=None if classes is None else split_names(classes, predictor.class_names),
    )
    labels_of(wanted.classes, predictor.class_names)  # before a source is opened
    predictor.require_possible(conf=conf, iou=iou, max_detections=max_objects)
    if (note := font_note(predictor.class_names)) is not None:
        click.echo(f"note: {note}", err=True)
    partly, stopped = False, None
    with _folder(out) as folder, stop_on_signals() as stopping, _live_view(show) as view:
        for job in jobs:
            if stopping.event.is_set():
                break
            outcome = _run(
                job,
                predictor,
                wanted,
                folder,
                save_json=save_json,
                save_video=save_video,
                stop=stopping.event,
                view=view,
            )
            partly = partly or bool(outcome.skipped) or outcome.broken_off
        stopped = stopping.number
    if stopped is not None:
        ctx.exit(128 + stopped)
    if partly:
        ctx.exit(SKIPPED_SOME)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """The folder that the user gave, or a new one, which goes again if nothing was written."""
    from yolokit.files import new_folder

    if out is not None:
        yield out
        return
    folder = new_folder(_DEFAULT_OUT)
    try:
        yield folder
    finally:
        with suppress(OSError):  # not empty
            folder.rmdir()


def _run(
    job: Job,
    predictor: Predictor,
    wanted: Wanted,
    out: Path,
    *,
    save_json: bool,
    save_video: bool,
    stop: threading.Event,
    view: View | None,
) -> Outcome:
    from yolokit.cli.progress import FrameProgress
    from yolokit.files import free_file
    from yolokit.video.detect import Painter, detect
    from yolokit.video.frames import Kind

    progress = FrameProgress()
    paint = Painter(predictor.class_names)

    json_file = free_file(job.json_file(out))
    if save_json and json_file != job.json_file(out):
        click.echo(f"note: {job.json_file(out)} is kept; writing {json_file}", err=True)
    full = 0  # frames with as many objects as may be kept

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        return predictor.predict_images(
            images,
            conf=wanted.conf,
            iou=wanted.iou,
            max_detections=wanted.limit,
            classes=wanted.classes,
        )

    def observe(frame: Frame, detections: Detections) -> bool:
        nonlocal full
        full += len(detections) == wanted.limit
        progress.tick()
        hold_ms = _PICTURE_MS if frame.source.kind is Kind.IMAGE else 1
        return view is None or view.show(paint(frame, detections), hold_ms=hold_ms)

    outcome = detect(
        job.sources,
        predict,
        job.folder(out),
        class_names=predictor.class_names,
        batch_size=1 if predictor.device == "cpu" else _GPU_BATCH,
        save_video=save_video,
        json_file=json_file if save_json else None,
        category_ids=job.category_ids(predictor),
        observe=observe,
        stop=stop,
    )
    progress.clear()
    if full:
        many = f"{full} {'frame has' if full == 1 else 'frames have'} {wanted.limit} objects"
        click.echo(f"note: {many}, the most that are kept. --max-objects keeps more", err=True)
    _report(outcome, job.folder(out), progress.seconds)
    return outcome


def _report(outcome: Outcome, folder: Path, seconds: float) -> None:
    from yolokit.plain_text import tamed

    for note in outcome.notes:
        click.echo(f"note: {tamed(note)}", err=True)
    for skipped in outcome.skipped[:_SHOWN]:
        click.echo(f"skipped: {tamed(str(skipped))}", err=True)
    if len(outcome.skipped) > _SHOWN:
        click.echo(f"skipped: {len(outcome.skipped) - _SHOWN} more", err=True)
    files = outcome.written
    if not files:
        where = "nothing written"
    elif len(files) <= 2:
        where = "written: " + tamed(", ".join(map(str, files)))
    else:
        where = f"{len(files)} files written to {folder}"
    frames = f"{outcome.frames} {'frame' if outcome.frames == 1 else 'frames'}"
    click.echo(f"{frames}, {outcome.frames / max(seconds, 1e-9):.1f} a second; {where}")


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
