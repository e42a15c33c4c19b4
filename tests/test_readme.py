"""What the README tells people to type is understood."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from yolokit.cli.main import cli
from yolokit.config_file import load_config

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
SHELL_LINES = [line for kind, text in BLOCKS if not kind for line in text.splitlines()]
COMMANDS = [line for line in SHELL_LINES if line.startswith("yolokit ")]


def _parse(line: str) -> None:
    """Parse as the command line does, without running anything."""
    _, *words = shlex.split(line, comments=True)
    command: click.Command | None = cli
    ctx: click.Context | None = None
    while isinstance(command, click.Group):
        ctx = click.Context(command, parent=ctx)
        command = command.get_command(ctx, words.pop(0))
    assert command is not None
    command.make_context(command.name, words, parent=ctx)


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in COMMANDS}
    assert set(cli.list_commands(click.Context(cli))) <= named


@pytest.mark.parametrize("line", [line for line in COMMANDS if " --help" not in line])
def test_a_command_of_the_readme_is_understood(line: str) -> None:
    _parse(line)


def test_the_python_of_the_readme_parses() -> None:
    (script,) = [text for kind, text in BLOCKS if kind == "python"]
    ast.parse(script)


@pytest.mark.parametrize("cell", re.findall(r"^\|.*\| (`model\..*?) \|$", README, flags=re.M))
def test_the_settings_of_the_readme_exist(cell: str, repository: Path) -> None:
    settings = [word for code in re.findall(r"`(.*?)`", cell) for word in code.split()]
    load_config(repository / "configs" / "quickstart.yaml", [s for s in settings if "=" in s])


def test_the_links_of_the_readme_lead_somewhere(repository: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if "://" not in link and not (repository / link).exists()] == []
