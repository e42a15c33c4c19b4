"""``yolokit compare``: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from yolokit.report.compare import Comparison

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(name="compare", short_help="Set runs side by side: scores, time, settings, curves.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--html", "html_file", type=FILE, help="Write a page with both curves there.")
@click.option("--json", "json_file", type=FILE, help="Write the numbers there.")
def command(runs: tuple[Path, ...], html_file: Path | None, json_file: Path | None) -> None:
    """Print what RUNs scored, what they took, and the settings in which they differ.

    \b
    yolokit compare runs/yolo_mobilenet_v2 runs/yolo_resnet18 --html compared.html
    """
    if len(runs) < 2:
        raise click.UsageError("give two run folders or more")
    from yolokit.files import write_text_atomically
    from yolokit.report.compare import read_runs

    compared = read_runs(runs)
    click.echo(_text(compared))
    for line in compared.warnings:
        click.echo(f"note: {line}", err=True)
    if json_file is not None:
        write_text_atomically(json_file, json.dumps(compared.to_dict(), allow_nan=False) + "\n")
    if html_file is not None:
        write_text_atomically(html_file, compared.html())
        click.echo(f"page: {html_file}")


def _text(compared: Comparison) -> str:
    from yolokit.plain_text import aligned

    names = [run.name for run in compared.runs]
    blocks = [[["", *names], *compared.numbers]]
    if compared.classes:
        blocks.append([["AP of class", *names], *compared.classes])
    if compared.settings:
        blocks.append([["setting", *names], *compared.settings])
    return "\n\n".join(map(aligned, blocks))
