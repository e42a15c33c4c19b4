"""``yolokit track``: objects that keep their number from frame to frame."""

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
from yolokit.cli.share import Number

if TYPE_CHECKING:
    from yolokit.inference.exported import ComputePrecision
    from yolokit.tracking.tracker import TrackerName
    from yolokit.video.video_file import VideoFormat

_DEFAULT_OUT = Path("runs/track")


@click.command(name="track", short_help="Follow objects through videos, cameras and streams.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", nargs=-1, required=True)
@out_option(str(_DEFAULT_OUT))
@choosing_options
@click.option(
    "--tracker",
    type=click.Choice(["bytetrack", "ocsort"]),
    default="bytetrack",
    help="bytetrack also follows what scores less than --conf, ocsort does not.",
    show_default=True,
)
@click.option(
    "--count-line",
    "lines",
    multiple=True,
    help="Count what crosses this line, and in which direction; pixels, percent with %, or "
    "shares from 0 to 1.",
    metavar="X1,Y1,X2,Y2",
)
@click.option(
    "--count-zone",
    "zones",
    multiple=True,
    help="Count what is in this zone, enters and leaves it, and how long it stays.",
    metavar="X1,Y1,X2,Y2,X3,Y3,...",
)
@click.option(
    "--fps",
    type=Number(0.1, 1000),
    default=25.0,
    help="Frames a second of a film that is a folder of pictures.",
    show_default=True,
)
@click.option("--show", is_flag=True, help="Watch live, in a window or a browser.")
@click.option("--save-json", is_flag=True, help="Also write boxes and track ids as JSON.")
@click.option("--save-mot", is_flag=True, help="Also write MOTChallenge's text, to mot/.")
@click.option(
    "--tail",
    type=Number(0, 3600),
    default=0.0,
    help="Draw where each object was in so many seconds.",
    show_default=True,
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
    tracker: TrackerName,
    lines: tuple[str, ...],
    zones: tuple[str, ...],
    fps: float,
    show: bool,
    save_json: bool,
    save_mot: bool,
    tail: float,
    save_video: bool,
    video_format: VideoFormat,
    line_width: int | None,
    hide_labels: bool,
    as_json: bool,
    quiet: bool,
    device: str,
    precision: ComputePrecision,
) -> None:
    """Detect with MODEL in every SOURCE and give each object a number that it keeps: a video, a
    camera's number, an rtsp or http address, a folder or glob of frames, - for paths on stdin.

    MODEL is what `yolokit detect` takes. What scores more than --conf begins a track, which has its
    number from the second frame on (ocsort: the third). An object that is hidden for less than a
    second keeps it. Numbers begin anew with each SOURCE.

    --count-line counts the centres of boxes that cross it, once they are past it by a tenth of the
    box: "in" from the line's left to its right, that is down over a line from left to right, as the
    arrow on it shows. Both options may be given several times.

    --save-json writes one record a frame to tracks.json, as `yolokit detect` does, each box with
    its "track_id", or null before it has one, and the counts so far; --json prints the same
    records. Exit status 3: done, but some input could not be read, or a stream stopped sending.

    \b
    yolokit track model.safetensors film.mp4 --tail 1
    yolokit track model.safetensors film.mp4 --count-line 0,50%,100%,50%
    yolokit track model.onnx frames/ --fps 10 --save-mot
    yolokit track model.safetensors 0 --show --no-save-video --json
    """
    # Before cv2 is loaded: FFmpeg's own remarks would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    import sys

    from yolokit.cli.detect_jobs import Wanted
    from yolokit.cli.progress import stop_on_signals
    from yolokit.cli.track_run import Asked, run
    from yolokit.cli.watching import Manner, live_view, output_folder, tell_skipped
    from yolokit.drawing import Style
    from yolokit.fonts import font_note
    from yolokit.inference.predictor import Predictor
    from yolokit.tracking.count_films import require_fit
    from yolokit.tracking.counting import Counting
    from yolokit.tracking.films import find_films
    from yolokit.tracking.library import require_library
    from yolokit.tracking.track import TrackOutputs
    from yolokit.video.ahead import look_ahead

    Counting(lines=lines, zones=zones)  # refuses what is none
    require_library()
    ahead = look_ahead(find_films(source, sys.stdin, fps=fps))
    require_fit(ahead.sizes, lines=lines, zones=zones)
    tell_skipped(ahead.skipped)
    predictor = Predictor.load(model, device=device, precision=precision)
    names = predictor.class_names
    wanted = Wanted.of(predictor, conf=conf, iou=iou, max_objects=max_objects, classes=classes)
    if not hide_labels and (note := font_note(names)) is not None:
        click.echo(f"note: {note}", err=True)
    asked = Asked(tracker=tracker, lines=lines, zones=zones)
    outputs = TrackOutputs(
        video=video_format if save_video else None,
        mot=save_mot,
        style=Style(line_width, not hide_labels),
        tail_seconds=tail,
    )
    with (
        output_folder(out, _DEFAULT_OUT) as folder,
        stop_on_signals() as stopping,
        live_view(show) as view,
    ):
        manner = Manner(
            save_json=save_json, quiet=quiet, as_json=as_json, stop=stopping.event, view=view
        )
        outcome = run(ahead.readable, predictor, wanted, asked, folder, outputs, manner)
        stopped = stopping.number
    if stopped is not None:
        ctx.exit(128 + stopped)
    if ahead.skipped or outcome.skipped or outcome.broken_off:
        ctx.exit(SKIPPED_SOME)
