"""Kinds of values of options, and options of several commands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


class Number(click.FloatRange):
    """A finite number of a range; click takes ``nan`` for one of any range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            BadParameter: not a number, or outside the range.
        """
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


class Share(Number):
    """From 0 to 1, both among them."""

    def __init__(self) -> None:
        super().__init__(0, 1)


def device_of_training(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A device's name as far as spelling goes: whether it is there, torch has to say.

    Raises:
        BadParameter: no such name.
    """
    if not re.fullmatch(r"auto|cpu|cuda|mps|\d+(,\d+)*", value):
        raise click.BadParameter(
            f"{value!r} is none of auto, cpu, cuda, mps, or GPU numbers such as 0,1"
        )
    return value


def duration(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A time with its unit: a bare 10 might be minutes to one and seconds to another.

    Raises:
        BadParameter: no unit, or no time.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        number = value.strip()
        raise click.BadParameter(f"{number} of what? Give {number}s, {number}m or {number}h")
    from yolokit.sections import parse_duration

    try:
        return f"{parse_duration(value)!r}s"
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def fetched_model(_ctx: click.Context, _parameter: click.Parameter, value: Path) -> Path:
    """The file of a model, fetched once where it is on the hub; any other path as it is.

    Raises:
        HubError: see ``local_model``.
    """
    if not str(value).startswith("hf:"):
        return value
    from yolokit.models.hub_files import local_model

    return local_model(value)


device_option = click.option(
    "--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps.", show_default=True
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16"]),
    default="auto",
    help="f32: compute in 32 bits even where the processor is faster in fewer. bf16: in bfloat16 "
    "on a CPU, found harmless or not.",
    show_default=True,
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Say nothing but what went wrong or was left out."
)
STDOUT = Path("-")
json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    is_flag=False,
    flag_value=str(STDOUT),
    metavar="[FILE]",
    help="Write all numbers there; without FILE, print them in place of the table.",
)


def refuse_unused(context: click.Context, where: str, *names: str) -> None:
    """Refuse options that were typed although nothing would come of them.

    Args:
        context: of the command.
        where: that is so, as in ``with --box``.
        names: of their parameters.

    Raises:
        UsageError: naming the first of them that was typed.
    """
    for each in context.command.params:
        typed = context.get_parameter_source(each.name or "") is ParameterSource.COMMANDLINE
        if each.name in names and typed:
            raise click.UsageError(f"{each.opts[0]} has no effect {where}: leave it out")


def tell(
    numbers: Callable[[], Any],
    text: Callable[[], str],
    json_file: Path | None,
    *,
    quiet: bool = False,
) -> None:
    """Write what was measured as JSON, print it as text, or print the JSON and nothing else.

    Args:
        numbers: plain values.
        text: the same for people.
        json_file: of ``json_option``.
        quiet: print no text.
    """
    if json_file == STDOUT:
        click.echo(json.dumps(numbers(), allow_nan=False))
        return
    if json_file is not None:
        from yolokit.files import write_text_atomically

        values = json.dumps(numbers(), allow_nan=False, indent=2)
        write_text_atomically(json_file, values + "\n")
    if not quiet:
        click.echo(text())
