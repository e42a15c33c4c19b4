"""``yolokit data convert``: a data set in another format, and what that has no place for."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from yolokit.data.formats.convert import Converted
    from yolokit.sections import LabelFormat

_FORMATS = ("coco", "yolo", "voc")
_SHOWN = 20  # annotations that are named one by one
_SKIPPED = 3  # exit status: done, but some annotations are left out
_CONFIG = "yolo_mobilenet_v2"  # what the next command is shown with


@click.command(name="convert", short_help="Write a data set in another format.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(_FORMATS), required=True, help="The new format.")
@click.option("--link", is_flag=True, help="Link to the pictures instead of copying them.")
@click.pass_context
def command(
    ctx: click.Context, source: Path, folder: Path, target: LabelFormat, link: bool
) -> None:
    """Write SRC, a data set in any known format, into the new folder DST.

    \b
    coco  annotations/instances_SPLIT.json and images/SPLIT
    yolo  data.yaml, images/SPLIT and labels/SPLIT, as Ultralytics reads them
    voc   Pascal VOC: Annotations, JPEGImages and ImageSets/Main

    What the new format has no place for is told, a line for each kind. To train on SRC here no
    conversion is needed. Exit status 3: some annotations cannot be used and are left out.
    """
    from yolokit.cli.progress_line import ProgressLine
    from yolokit.data.formats.convert import convert
    from yolokit.data.locate import locate_splits, unread_note
    from yolokit.plain_text import tamed

    progress = ProgressLine()
    done = convert(locate_splits(source), target, folder, link=link, progress=progress)
    progress.clear()
    for name, split in done.items():
        click.echo(f"{name:<5} {split.pictures:>5} pictures, {split.boxes:>5} boxes")
    unread = unread_note(source)
    for line in [*_notes(done), *([f"lost: {unread}"] if unread else [])]:
        click.echo(tamed(line), err=True)
    click.echo(f"wrote {folder}")
    if "train" in done:
        click.echo(f"next: yolokit train {_CONFIG} --data {shlex.quote(str(folder))}")
    ctx.exit(_SKIPPED if any(split.left_out for split in done.values()) else 0)


def _notes(done: dict[str, Converted]) -> list[str]:
    """What was found in the old labels, what is left out, and what is lost."""
    lines = []
    for name, split in done.items():
        for fault in split.faults:
            level, _, text = fault.partition(": ")
            lines.append(f"{level}: {name}: {text}")
        if split.left_out:
            shown = ", ".join(split.left_out[:_SHOWN])
            more = len(split.left_out) - _SHOWN
            count = len(split.left_out)
            lines.append(
                f"warning: {name}: {count} annotations cannot be used and are left out: {shown}"
                + (f" and {more} more" if more > 0 else "")
            )
    lost: Counter[str] = Counter()
    for split in done.values():
        lost.update(split.lost)
    return lines + [f"lost: {count} {what}" for what, count in lost.items()]
