"""``yolokit data``: make, check, count and look at data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.data_convert import command as convert_command
from yolokit.cli.data_split import command as split_command
from yolokit.cli.share import Share, json_option, quiet_option, tell

if TYPE_CHECKING:
    from yolokit.config import Config

_SHOWN = 20  # cases of one fault that `check` prints unless told to print all
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")  # what `preview` writes
_SKIPPED = 3  # exit status: usable, but something is left out


@click.group(help="Make, check, count, split and look at data sets.")
def command() -> None:
    """The group; each subcommand imports what it needs when it runs."""


command.add_command(convert_command)
command.add_command(split_command)


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
    type=Share(),
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
    from yolokit.synthesis.dataset import VIDEO_NAME, synthesise

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


_data_argument = click.argument("data", type=click.Path(path_type=Path))
_config_option = click.option(
    "--config",
    metavar="CONFIG",
    default="yolo_mobilenet_v2",
    help="A YAML file, or the name of a shipped one: whose input and head.",
    show_default=True,
)
_split_choice = click.Choice(["train", "val", "test"])


@command.command()
@_data_argument
@_config_option
@click.option("--all", "show_all", is_flag=True, help=f"Print more than {_SHOWN} cases of a fault.")
@json_option
@quiet_option
@click.pass_context
def check(
    ctx: click.Context,
    data: Path,
    config: str,
    show_all: bool,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Find everything that is wrong with DATA (a folder or data.yaml) in one go.

    Exit status 0: nothing, or only notes. 3: it can be used, but something is left out or makes
    scores unreliable. 1: training or evaluation would fail.
    """
    from yolokit.cli.data_check import findings_text, findings_values
    from yolokit.cli.progress_line import ProgressLine
    from yolokit.data.audit import Finding, audit_splits
    from yolokit.data.locate import locate_splits, unread_note

    splits = locate_splits(data)
    progress = ProgressLine(on=not quiet)
    findings = audit_splits(
        splits, max_bad_boxes=_load_config(config).data.max_bad_boxes, progress=progress
    )
    progress.clear()
    if unread := unread_note(data):
        findings.append(Finding("note", "+".join(splits), unread, code="unread", count=1))
    levels = {finding.level for finding in findings}
    shown = [each for each in findings if not quiet or each.level != "note"]
    text = findings_text(shown, most=None if show_all else _SHOWN)
    if not levels & {"error", "warning"} and not quiet:
        text += f"{data}: {', '.join(splits)} can be used as they are\n"
    tell(
        lambda: findings_values(list(splits), findings),
        lambda: text.rstrip("\n"),
        json_file,
        quiet=not text,
    )
    ctx.exit(1 if "error" in levels else _SKIPPED if "warning" in levels else 0)


@command.command()
@_data_argument
@_config_option
@click.option("--split", type=_split_choice, multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--grid-size",
    "grid_sizes",
    type=click.IntRange(1, 64),
    multiple=True,
    help="Ceiling of a YOLOv1 grid of so many cells a side; may be repeated. Default: 7 and 14 "
    "where CONFIG has such a head.",
)
@json_option
@quiet_option
def stats(
    data: Path,
    config: str,
    split: tuple[str, ...],
    grid_sizes: tuple[int, ...],
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Count what is in DATA (a folder or data.yaml): pictures, boxes, classes, sizes.

    And the ceiling of the configured head: the scores of a detector that predicts each box as well
    as its cells, its code and its prediction settings allow, what the rest is lost to, and which
    change would lift it. That is a ceiling, not a forecast: training ends below it, often far.

    --grid-size: the ceiling of a grid that holds one object a cell, as YOLOv1's, of a detector
    that finds exactly the boxes that own a cell.
    """
    from yolokit.heads.family import family_of

    run = _load_config(config)
    _require_data(data, split)
    from yolokit.cli.data_report import format_report, measure_splits
    from yolokit.cli.progress_line import ProgressLine

    if not grid_sizes and family_of(run.model.head).own_grid is not None:
        grid_sizes = (7, 14)
    progress = ProgressLine(on=not quiet)
    report = measure_splits(
        data,
        split,
        image_hw=run.data.image_hw,
        grid_sizes=grid_sizes,
        config=run,
        progress=progress,
    )
    progress.clear()
    tell(lambda: report, lambda: format_report(report), json_file, quiet=quiet)
    for fault in report["faults"]:
        click.echo(fault, err=True)


@command.command()
@_data_argument
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Picture to write.")
@_config_option
@click.option("--split", type=_split_choice, default="train", help="Only train is augmented.")
@click.option("--count", type=click.IntRange(min=1), default=16, help="Pictures on the sheet.")
@click.option("--epoch", type=click.IntRange(min=0), default=0, help="Whose random choices.")
def preview(data: Path, out: Path, config: str, split: str, count: int, epoch: int) -> None:
    """Write a sheet of pictures of DATA exactly as the network is fed them, boxes drawn."""
    from PIL import Image

    if out.suffix.lower() not in _PICTURES:
        raise click.BadParameter(f"must end in one of {', '.join(_PICTURES)}", param_hint="--out")

    run = _load_config(config)
    _require_data(data, [split])
    from yolokit.data.augment import Augmenter
    from yolokit.data.coco import CocoDataset
    from yolokit.data.loading import DetectionDataset
    from yolokit.data.locate import choose_split, locate_splits
    from yolokit.data.preview import preview_sheet
    from yolokit.engine.recipe import resolve
    from yolokit.files import written_atomically
    from yolokit.fonts import font_note

    pictures = CocoDataset.load(choose_split(data, split), max_bad_boxes=run.data.max_bad_boxes)
    train, learnt = locate_splits(data).get("train"), pictures
    if train is not None and split != "train":
        learnt = CocoDataset.load(train, max_bad_boxes=1.0)
    run = resolve(run, train_sizes=learnt.sizes_hw, val_images=0)
    dataset = DetectionDataset(
        pictures,
        run.data.image_hw,
        augmenter=Augmenter(run.augment, run.data.image_hw) if split == "train" else None,
        seed=run.train.seed,
    )
    if (note := font_note(pictures.class_names)) is not None:
        click.echo(f"note: {note}", err=True)
    sheet = preview_sheet(dataset, count=count, epoch=epoch)
    with written_atomically(out) as temporary:
        Image.fromarray(sheet).save(temporary)
    click.echo(f"wrote {out}: {min(count, len(dataset))} of {len(dataset)} {split} pictures")


def _load_config(name: str) -> Config:
    from yolokit.config_file import find_config, load_config

    return load_config(find_config(name))


def _require_data(data: Path, names: Sequence[str] = ()) -> None:
    """Refuse a path without data, or without a split, before torch is imported."""
    from yolokit.data.check import require_labels
    from yolokit.data.locate import choose_split, locate_splits

    chosen = [choose_split(data, name) for name in names]
    require_labels(chosen or locate_splits(data).values())
