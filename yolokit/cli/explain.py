"""``yolokit explain``: look into a trained model, with pictures and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from yolokit.cli.share import Share, json_option, tell

if TYPE_CHECKING:
    from yolokit.explain.sheet import Sheet

_Command = TypeVar("_Command", bound=Callable[..., Any])
_model = click.argument("model", type=click.Path(path_type=Path))
_picture = click.argument("picture", type=click.Path(path_type=Path))
_conf = click.option(
    "--conf", type=Share(), default=0.25, help="Boxes found score more.", show_default=True
)


def _out(name: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"A new .png, or .html with all numbers.  [default: {name}, -2, -3, …]",
    )


@click.group(name="explain", short_help="Look inside a model: layers, maps, cells.")
def command() -> None:
    """Show how a trained model sees: what it is made of, and why it found what it found."""


@command.command(name="model", short_help="Layers: output, parameters, cost, receptive field.")
@_model
@click.option("--layers", "every_layer", is_flag=True, help="A row for each layer, not each block.")
@json_option
def model_command(model: Path, every_layer: bool, json_file: Path | None) -> None:
    """Print what MODEL is made of, block by block, from the picture to the boxes.

    \b
    yolokit explain model runs/cells
    """
    from yolokit.explain.before import require_explainable

    require_explainable(model)
    from yolokit.explain.explainer import explainer_of  # only now: it loads torch

    table = explainer_of(model).model(every_layer=every_layer)
    tell(table.to_dict, lambda: str(table), json_file)


@command.command(name="cells", short_help="Which cell found what, or answers for which truth.")
@_model
@_picture
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A data set with labels of PICTURE: show who answers for them in training, and the loss.",
)
@_conf
@_out("PICTURE-cells.png")
@json_option
def cells_command(
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
    from yolokit.data.images import read_image
    from yolokit.explain.before import require_explainable, target_for, truth_of

    card = require_explainable(model)
    target = target_for(out, f"{picture.stem}-cells.png")
    read_image(picture)
    if data is not None:
        truth_of(picture, data, card)
    from yolokit.explain.explainer import explainer_of

    _leave(explainer_of(model).cells(picture, data=data, conf=conf), target, json_file)


def _leave(sheet: Sheet, target: Path, json_file: Path | None) -> None:
    """Write a sheet, print its table, and say where it is."""
    from yolokit.plain_text import aligned, tamed

    sheet.save(target)
    lines = [f"wrote {target}"]
    for table in sheet.tables[:1]:
        lines = [aligned([list(table.head), *map(list, table.rows)]), "", *lines]
    tell(lambda: sheet.numbers, lambda: tamed("\n".join(lines)), json_file)
