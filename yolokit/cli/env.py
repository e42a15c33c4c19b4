"""``yolokit env``: what a bug report needs to say about this machine."""

from __future__ import annotations

import click


@click.command("env", short_help="Report versions, devices and known installation traps.")
def command() -> None:
    """Report versions, devices and known installation traps."""
