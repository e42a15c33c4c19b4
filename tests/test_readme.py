"""What the README and the other pages tell people to type is understood."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from yolokit.cli.main import cli
from yolokit.config_file import load_config

ROOT = Path(__file__).parents[1]
FOLDERS = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")
PAGES = [path for pattern in FOLDERS for path in ROOT.glob(pattern)]
BLOCK = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall(README)


def _commands(text: str) -> list[str]:
    """Lines of code, fenced or indented, that call the command."""
    fenced = [block for kind, block in BLOCK.findall(text) if not kind]
    lines = "\n".join(fenced).splitlines() + re.findall(r"^ {4}(.+)", text, flags=re.MULTILINE)
    return [line for line in lines if line.startswith("yolokit ")]


COMMANDS = _commands(README)


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


@pytest.mark.parametrize(
    "line",
    [
        line
        for page in PAGES
        for line in _commands(page.read_text(encoding="utf-8"))
        if " --help" not in line
    ],
)
def test_a_command_of_a_page_is_understood(line: str) -> None:
    _parse(line)


def test_the_python_of_the_readme_parses() -> None:
    (script,) = [text for kind, text in BLOCKS if kind == "python"]
    ast.parse(script)


@pytest.mark.parametrize("cell", re.findall(r"^\|.*\| (`model\..*?) \|$", README, flags=re.M))
def test_the_settings_of_the_readme_exist(cell: str, repository: Path) -> None:
    settings = [word for code in re.findall(r"`(.*?)`", cell) for word in code.split()]
    load_config(repository / "configs" / "quickstart.yaml", [s for s in settings if "=" in s])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
