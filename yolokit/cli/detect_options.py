"""Options that ``yolokit detect`` and ``yolokit track`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from yolokit.cli.share import Share, device_option, precision_option, quiet_option

Decorated: TypeAlias = Callable[..., Any]
SKIPPED_SOME = 3  # exit status: done, but not everything could be read


def out_option(default: str) -> Callable[[Decorated], Decorated]:
    """``--out``, by default a new folder of this name."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for what is written; nothing there is overwritten.  "
        f"[default: {default}, then {default}-2, ...]",
    )


def choosing_options(command: Decorated) -> Decorated:
    """Which detections are reported."""
    return _all_of(
        command,
        click.option(
            "--conf", type=Share(), default=0.25, help="Report what scores more.", show_default=True
        ),
        click.option(
            "--iou",
            type=Share(),
            help="Of two boxes of a class that overlap by more, one falls.  "
            "[default: the model's own]",
        ),
        click.option(
            "--max-objects",
            "--max-det",
            type=click.IntRange(min=1),
            help="At most this many in a picture.  [default: the model's own]",
        ),
        click.option(
            "--classes",
            help="Report these classes only: names or numbers, with commas between.",
            metavar="NAME,...",
        ),
    )


def video_options(command: Decorated) -> Decorated:
    """Drawn films."""
    return _all_of(
        command,
        click.option("--save-video/--no-save-video", default=True, help="Write annotated videos."),
        click.option(
            "--video-format",
            type=click.Choice(["mp4", "webm"]),
            default="mp4",
            help="mp4: H.264, which browsers play, where an ffmpeg is on the PATH; else MPEG-4, "
            "which only players play. webm: VP8, for browsers without ffmpeg; takes long.",
            show_default=True,
        ),
        click.option(
            "--line-width",
            type=click.IntRange(min=1),
            help="Pixels of the boxes' lines.  [default: to suit the picture]",
        ),
        click.option("--hide-labels", is_flag=True, help="Draw boxes without names and scores."),
    )


def telling_options(command: Decorated) -> Decorated:
    """What is said, and where it is computed."""
    return _all_of(
        command,
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print one line of JSON a picture or frame, no other.",
        ),
        quiet_option,
        device_option,
        precision_option,
    )


def _all_of(command: Decorated, *options: Callable[[Decorated], Decorated]) -> Decorated:
    """Decorate so that ``--help`` lists them in their order."""
    for option in reversed(options):
        command = option(command)
    return command
