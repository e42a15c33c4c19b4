"""``yolokit explain``: look into a trained model, with pictures and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from yolokit.cli.share import Share, fetched_model, json_option, refuse_unused, tell

if TYPE_CHECKING:
    from yolokit.explain.sheet import Sheet

_Command = TypeVar("_Command", bound=Callable[..., Any])
_model = click.argument("model", type=click.Path(path_type=Path), callback=fetched_model)
_picture = click.argument("picture", type=click.Path(path_type=Path))
_conf = click.option(
    "--conf", type=Share(), default=0.25, help="Boxes found score more.", show_default=True
)


def _out(default: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"A new .png, or .html with all numbers.  [default: {default}]",
    )


def _numbered(name: str) -> str:
    return f"{name}, -2, -3, …"


@click.group(name="explain", short_help="Look inside a model: layers, maps, cells.")
def command() -> None:
    """Show how a trained model sees: what it is made of, and why it found what it found."""


@command.command(name="model", short_help="Layers: output, parameters, cost, receptive field.")
@_model
@click.option("--layers", "every_layer", is_flag=True, help="A row for each layer, not each block.")
@_out("none, the table is printed")
@json_option
def model_command(model: Path, every_layer: bool, out: Path | None, json_file: Path | None) -> None:
    """Print what MODEL is made of, block by block, from the picture to the boxes.

    \b
    yolokit explain model runs/cells
    yolokit explain model runs/cells --out model.html
    """
    from yolokit.explain.before import require_explainable, target_for

    require_explainable(model)
    target = None if out is None else target_for(out, "", json_file)
    from yolokit.explain.explainer import explainer_of  # only now: it loads torch

    table = explainer_of(model).model(every_layer=every_layer)
    if target is not None:
        table.save(target)
    lines = [str(table), *([] if target is None else ["", f"wrote {target}"])]
    tell(table.to_dict, lambda: "\n".join(lines), json_file)


@command.command(name="filters", short_help="Kernels of a convolution, as pictures.")
@_model
@click.option("--layer", help="Its name in `explain model --layers`.  [default: the first]")
@_out(_numbered("filters.png"))
@json_option
def filters_command(
    model: Path, layer: str | None, out: Path | None, json_file: Path | None
) -> None:
    """Show what a convolution of MODEL looks for.

    \b
    yolokit explain filters runs/cells
    yolokit explain filters runs/cells --layer features.2.conv.1.0
    """
    from yolokit.explain.before import require_explainable, target_for

    require_explainable(model)
    target = target_for(out, "filters.png", json_file)
    from yolokit.explain.explainer import explainer_of

    _leave(explainer_of(model).filters(layer), target, json_file)


@command.command(name="features", short_help="Maps along the backbone: edges, textures, parts.")
@_model
@_picture
@_out(_numbered("PICTURE-features.png"))
@json_option
def features_command(model: Path, picture: Path, out: Path | None, json_file: Path | None) -> None:
    """Show what each level of the backbone of MODEL makes of PICTURE.

    \b
    yolokit explain features runs/cells photo.jpg
    """
    target = _ready(model, picture, out, "features", json_file)
    from yolokit.explain.explainer import explainer_of

    _leave(explainer_of(model).features(picture), target, json_file)


@command.command(name="cam", short_help="Where the evidence for a box lies.")
@_model
@_picture
@click.option(
    "--number",
    type=click.IntRange(min=1),
    help="Which of the boxes found: the best is 1.  [default: 1]",
)
@click.option("--box", metavar="X,Y,W,H", help="A place instead, in pixels of PICTURE.")
@click.option("--label", metavar="CLASS", help="The class to explain.  [default: the box's]")
@_conf
@_out(_numbered("PICTURE-cam.png"))
@json_option
@click.pass_context
def cam_command(
    ctx: click.Context,
    model: Path,
    picture: Path,
    number: int | None,
    box: str | None,
    label: str | None,
    conf: float,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Show why MODEL finds a box in PICTURE: what its score rests on, in three ways.

    \b
    yolokit explain cam runs/cells photo.jpg
    yolokit explain cam runs/cells photo.jpg --number 3
    yolokit explain cam runs/cells photo.jpg --box 40,30,120,80 --label fish
    """
    from yolokit.explain.before import box_from_xywh, label_of, require_explainable

    if box is not None:
        refuse_unused(ctx, "with --box, which names the place", "number", "conf")
    target = _ready(model, picture, out, "cam", json_file)
    corners = None if box is None else box_from_xywh(box).tolist()
    if label is not None:
        label_of(label, require_explainable(model).class_names)
    from yolokit.explain.explainer import explainer_of

    sheet = explainer_of(model).cam(picture, number, box=corners, label=label, conf=conf)
    _leave(sheet, target, json_file)


@command.command(name="cells", short_help="Which cell found what, or answers for which truth.")
@_model
@_picture
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A data set with labels of PICTURE: show who answers for them in training, and the loss.",
)
@_conf
@_out(_numbered("PICTURE-cells.png"))
@json_option
@click.pass_context
def cells_command(
    ctx: click.Context,
    model: Path,
    picture: Path,
    data: Path | None,
    conf: float,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Lay the grid of MODEL over PICTURE and show the cell that each found box comes from.

    \b
    yolokit explain cells runs/cells photo.jpg
    yolokit explain cells runs/cells my_data/valid/7.jpg --data my_data
    """
    from yolokit.explain.before import require_explainable, truth_of

    if data is not None:
        refuse_unused(ctx, "with --data, which shows training", "conf")
    target = _ready(model, picture, out, "cells", json_file)
    if data is not None:
        truth_of(picture, data, require_explainable(model))
    from yolokit.explain.explainer import explainer_of

    _leave(explainer_of(model).cells(picture, data=data, conf=conf), target, json_file)


def _ready(model: Path, picture: Path, out: Path | None, what: str, json_file: Path | None) -> Path:
    """Where to write, once the model and the picture are found to be there."""
    from yolokit.data.images import read_image
    from yolokit.explain.before import require_explainable, target_for

    require_explainable(model)
    read_image(picture)
    return target_for(out, f"{picture.stem}-{what}.png", json_file)


def _leave(sheet: Sheet, target: Path, json_file: Path | None) -> None:
    """Write a sheet, print its table, and say where it is."""
    from yolokit.plain_text import aligned, tamed

    sheet.save(target)
    lines = [f"wrote {target}"]
    for table in sheet.tables[:1]:
        lines = [aligned([list(table.head), *map(list, table.rows)]), "", *lines]
    tell(lambda: sheet.numbers, lambda: tamed("\n".join(lines)), json_file)
