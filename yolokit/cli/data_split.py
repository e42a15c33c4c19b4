"""``yolokit data split``: hold a part of a set out, so that it can be trained on and measured."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.share import Share

if TYPE_CHECKING:
    from yolokit.data.split import Divided

_SHOWN = 20  # classes noted one by one
_CONFIG = "yolo_mobilenet_v2"  # what the next command is shown with


@click.command(name="split", short_help="Hold out val and test parts of an unsplit set.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DST", type=click.Path(path_type=Path))
@click.option("--val", type=Share(), default=0.2, help="Share to choose the best weights by.")
@click.option("--test", type=Share(), default=0.1, help="Share to measure the result on.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same splits.")
@click.option(
    "--group-by",
    default="names",
    metavar="names|folder|none|REGEX",
    help="Pictures that stay together: names: frames of a film and augmented copies, as tools name "
    "them; folder; none; REGEX: names in which it, or its first group, matches the same text.",
)
@click.option(
    "--near-duplicates/--no-near-duplicates",
    default=True,
    help="Keep pictures that look alike together; every picture is opened.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Pictures of an SRC that is a COCO file.  [default: beside it]",
)
def command(
    source: Path,
    folder: Path,
    val: float,
    test: float,
    seed: int,
    group_by: str,
    near_duplicates: bool,
    images: Path | None,
) -> None:
    """Split SRC, a COCO file or a set without val or test, into the new folder DST.

    DST holds annotation files and a data.yaml; pictures stay where they are. Each class stands in
    every part in proportion, the rarest first. Val and test that SRC has are kept.

    \b
    yolokit data split labels.json my_split
    yolokit data split my_data my_split --test 0 --group-by folder
    """
    if val + test >= 1 or val + test == 0:
        raise click.UsageError(
            f"--val {val:g} and --test {test:g} must add up to more than 0 and less than 1: "
            "the rest is for training"
        )
    rule = _rule(group_by)
    from yolokit.cli.progress_line import ProgressLine
    from yolokit.data.split import divide, write_divided
    from yolokit.data.unsplit import find_unsplit
    from yolokit.errors import DataError
    from yolokit.files import require_unused_folder

    require_unused_folder(folder)
    found = find_unsplit(source, images)
    kept = {name: split for name, split in found.items() if name != "train"}
    asked = {"val": val, "test": test}
    shares = {name: share for name, share in asked.items() if share and name not in kept}
    if not shares:
        raise DataError(
            f"{source} has {', '.join(found)} already. Train on it as it is: "
            f"yolokit train {_CONFIG} --data {shlex.quote(str(source))}"
        )
    progress = ProgressLine()
    divided = divide(
        found["train"],
        shares,
        rule=rule,
        near_duplicates=near_duplicates,
        seed=seed,
        progress=progress,
    )
    progress.clear()
    words = ["yolokit", "data", "split", str(source), str(folder), "--val", f"{val:g}"]
    words += ["--test", f"{test:g}", "--seed", str(seed), "--group-by", group_by]
    words += [] if near_duplicates else ["--no-near-duplicates"]
    write_divided(divided, folder, kept=kept, made_by=shlex.join(words))
    click.echo(format_divided(divided))
    for note in [*(f"{name} is kept as it is" for name in kept), *_rare_classes(divided)]:
        click.echo(f"note: {note}", err=True)
    click.echo(f"next: yolokit train {_CONFIG} --data {shlex.quote(str(folder))}")


def _rule(group_by: str) -> Callable[[str], str | None]:
    from yolokit.data.grouping import naming_rule

    try:
        return naming_rule(group_by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--group-by") from error


def format_divided(divided: Divided) -> str:
    """Pictures, and boxes of each class, of every part, with its share; what was kept together."""
    from yolokit.cli.table import share
    from yolokit.plain_text import aligned

    pictures, boxes = divided.pictures, divided.boxes
    names = divided.dataset.class_names
    rows = [
        ["", *divided.parts],
        ["pictures", *(share(int(each), int(pictures.sum())) for each in pictures)],
        ["  without a box", *map(str, divided.empty)],
        ["boxes", *(share(int(each), int(boxes.sum())) for each in boxes.sum(axis=1))],
    ]
    for label in [each for each in range(len(names)) if boxes[:, each].any()]:
        total = int(boxes[:, label].sum())
        rows.append([f"  {names[label]}", *(share(int(each), total) for each in boxes[:, label])])
    return "\n".join([aligned(rows), _together(divided)])


def _together(divided: Divided) -> str:
    grouping = divided.grouping
    if not grouping.by_name and not grouping.look_alikes:
        return "kept together: nothing, no two pictures belong together"
    sizes = grouping.sizes
    kinds = {"by name": grouping.by_name, "by looks": grouping.look_alikes}
    counts = ", ".join(f"{count} pictures {kind}" for kind, count in kinds.items() if count)
    return f"kept together: {counts}; {(sizes > 1).sum()} groups, the largest of {sizes.max()}"


def _rare_classes(divided: Divided) -> list[str]:
    """A line for each class that some part has nothing of."""
    boxes, lines = divided.boxes, []
    together = divided.groups_of_class
    for label, name in enumerate(divided.dataset.class_names):
        has = dict(zip(divided.parts, (boxes[:, label] > 0).tolist(), strict=True))
        without = [part for part, some in has.items() if not some]
        if not any(has.values()) or not without:
            continue
        count = int(together[label])
        where = " and ".join(part for part, some in has.items() if some)
        kinds = "one picture or group" if count == 1 else f"{count} pictures or groups"
        lines.append(f"{name!r} is in {kinds}: in {where}, none for {' and '.join(without)}")
    more = [f"and {len(lines) - _SHOWN} classes more"] if len(lines) > _SHOWN else []
    return lines[:_SHOWN] + more
