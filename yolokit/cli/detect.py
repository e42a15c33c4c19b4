"""``yolokit detect``: a trained model on pictures, folders, videos, cameras and streams."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.detect_options import (
    SKIPPED_SOME,
    choosing_options,
    out_option,
    telling_options,
    video_options,
)

if TYPE_CHECKING:
    from yolokit.inference.exported import ComputePrecision
    from yolokit.video.video_file import VideoFormat

_DEFAULT_OUT = Path("runs/detect")


@click.command(name="detect", short_help="Detect in pictures, videos, cameras and streams.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", nargs=-1, required=True)
@out_option(str(_DEFAULT_OUT))
@choosing_options
@click.option("--show", is_flag=True, help="Watch live, in a window or a browser.")
@click.option("--save-json", is_flag=True, help="Also write the detections as JSON.")
@click.option("--save-txt", is_flag=True, help="Also write YOLO's text, with scores, to labels/.")
@click.option("--save-crops", is_flag=True, help="Also cut each object out, to crops/CLASS/.")
@click.option(
    "--save-images/--no-save-images",
    default=True,
    help="Write annotated pictures; without them, whole folders go faster.",
)
@video_options
@telling_options
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
    save_txt: bool,
    save_crops: bool,
    save_images: bool,
    save_video: bool,
    video_format: VideoFormat,
    line_width: int | None,
    hide_labels: bool,
    as_json: bool,
    quiet: bool,
    device: str,
    precision: ComputePrecision,
) -> None:
    """Detect with MODEL in every SOURCE: a picture, a folder, a glob, a video, a camera's number,
    an rtsp or http address (of a picture, too), - for paths on stdin, or a data set's folder.

    MODEL is a model.safetensors, a run's folder, an exported .onnx file or an OpenVINO folder; or,
    before the first training, torchvision:NAME for a detector of torchvision's, whose COCO weights
    are fetched once (torchvision:NAME=FILE takes a file's); or hf:USER/NAME on Hugging Face's hub.

    Of a camera or stream the newest frame is looked at, and those that came meanwhile are dropped.
    Annotated videos play at the speed of the source, without its sound.

    --save-json writes one record a frame to detections.json, for a data set COCO result rows to
    detections_SPLIT.json; --json prints the same records, a line each, as they come. --save-txt
    writes "label centre-x centre-y width height score", in shares of the picture's sides. Exit
    status 3: done, but some input could not be read, or a stream stopped sending.

    \b
    yolokit detect torchvision:ssdlite320_mobilenet_v3_large photo.jpg
    yolokit detect model.safetensors photo.jpg "shots/*.png" --out found
    yolokit detect model.safetensors film.mp4 --save-json
    yolokit detect model.safetensors shots/ --no-save-images --json > found.jsonl
    find . -name "*.jpg" | yolokit detect model.safetensors -
    """
    # Before cv2 is loaded: FFmpeg's own remarks would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from yolokit.cli.detect_jobs import Wanted, plan_jobs, readable_jobs
    from yolokit.cli.detect_run import run
    from yolokit.cli.progress import stop_on_signals
    from yolokit.cli.watching import Manner, live_view, output_folder, tell_skipped
    from yolokit.drawing import Style
    from yolokit.fonts import font_note
    from yolokit.inference.predictor import Predictor
    from yolokit.video.detect import Outputs

    jobs, skipped = readable_jobs(plan_jobs(source))
    tell_skipped(skipped)
    predictor = Predictor.load(model, device=device, precision=precision)
    names = predictor.class_names
    wanted = Wanted.of(predictor, conf=conf, iou=iou, max_objects=max_objects, classes=classes)
    drawn = save_images or save_video or show
    if drawn and not hide_labels and (note := font_note(names)) is not None:
        click.echo(f"note: {note}", err=True)
    partly, stopped = bool(skipped), None
    outputs = Outputs(
        pictures=save_images,
        video=video_format if save_video else None,
        crops=save_crops,
        text=save_txt,
        style=Style(line_width, not hide_labels),
    )
    with (
        output_folder(out, _DEFAULT_OUT) as folder,
        stop_on_signals() as stopping,
        live_view(show) as view,
    ):
        manner = Manner(
            save_json=save_json,
            quiet=quiet,
            as_json=as_json,
            stop=stopping.event,
            view=view,
        )
        for job in jobs:
            if stopping.event.is_set():
                break
            outcome = run(job, predictor, wanted, folder, outputs, manner)
            partly = partly or bool(outcome.skipped) or outcome.broken_off
        stopped = stopping.number
    if stopped is not None:
        ctx.exit(128 + stopped)
    if partly:
        ctx.exit(SKIPPED_SOME)
