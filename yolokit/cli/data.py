"""``yolokit data``: make, check, count and look at data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click


@click.group(help="Make, check, count and look at data sets.")
def command() -> None:
    """The group; each subcommand imports what it needs when it runs."""


_Callback = Callable[[click.Context, click.Parameter, str], tuple[int, ...]]


def _numbers(separator: str, *, count: int, least: int) -> _Callback:
    """Reads whole numbers with something between them, as in ``120,30,30`` or ``320x320``."""

    def parse(_ctx: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
        parts = [part.strip() for part in text.lower().split(separator)]
        if len(parts) != count or not all(part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} is not {count} numbers with {separator!r} between")
        if min(map(int, parts)) < least:
            raise click.BadParameter(f"{text!r}: each must be at least {least}")
        return tuple(map(int, parts))

    return parse


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--images",
    callback=_numbers(",", count=3, least=0),
    metavar="TRAIN,VAL,TEST",
    default="120,30,30",
    help="Pictures in each split; 0 leaves one out.",
)
@click.option(
    "--size",
    callback=_numbers("x", count=2, least=64),
    metavar="WIDTHxHEIGHT",
    default="320x320",
    help="Pixels of most pictures; some are narrower.",
)
@click.option("--classes", type=click.IntRange(1, 10), default=3, help="Kinds of shapes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same bytes.")
@click.option(
    "--crowding",
    type=click.FloatRange(0, 1),
    default=0.2,
    help="0: few, large, apart; 1: many, small too, overlapping, with crowds.",
)
@click.option("--video/--no-video", default=True, help="Also write shapes.mp4.")
def shapes(
    folder: Path,
    images: tuple[int, ...],
    size: tuple[int, int],
    classes: int,
    seed: int,
    crowding: float,
    video: bool,
) -> None:
    """Paint a set of textured shapes with exact COCO annotations into FOLDER.

    It trains in minutes and shows that everything works; FOLDER must be new or empty.
    """
    from yolokit.data.synthesis import VIDEO_NAME, synthesise

    if images[0] == 0:
        raise click.BadParameter("the train split needs a picture", param_hint="--images")
    trees = synthesise(
        folder,
        images=images,
        size_hw=(size[1], size[0]),
        classes=classes,
        seed=seed,
        crowding=crowding,
        video=video,
    )
    for split, tree in trees.items():
        names = ", ".join(category["name"] for category in tree["categories"])
        pictures, boxes = len(tree["images"]), len(tree["annotations"])
        click.echo(f"{split:<5} {pictures:>5} pictures, {boxes:>5} boxes of {names}")
    click.echo(f"wrote {folder}" + (f" and {folder / VIDEO_NAME}" if video else ""))
