"""What options of several commands share: a number from 0 to 1, device, precision, quiet."""

from __future__ import annotations

import math
from typing import Any

import click


class Share(click.FloatRange):
    """From 0 to 1, both among them; ``nan`` is no number, though click compares it as one."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            BadParameter: not a number, or outside the range.
        """
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


device_option = click.option(
    "--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps.", show_default=True
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "f32"]),
    default="auto",
    help="f32: compute in 32 bits even where the processor is faster in fewer.",
    show_default=True,
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Say nothing but what went wrong or was left out."
)
