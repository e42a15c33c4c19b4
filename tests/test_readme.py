"""What the README and the other pages tell people to type is understood.

``docs/test_blocks_run.py`` runs their blocks; here every command is only parsed, which is quick.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
from doc_blocks import ROOT, Block, blocks, commands

from yolokit.cli.main import cli
from yolokit.config_file import load_config

FOLDERS = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")
PAGES = sorted({path for pattern in FOLDERS for path in ROOT.glob(pattern)})
README = ROOT / "README.md"
TRANSFER = (ROOT / "docs/transfer.md").read_text(encoding="utf-8")


def _commands(page: Path) -> list[str]:
    """Lines of code, fenced or indented, that call the command."""
    shell = [block for block in blocks(page) if block.is_shell]
    fenced = [each.typed for block in shell for each in commands(block)]
    indented = re.findall(r"^ {4}(yolokit .+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in (*fenced, *indented) if line.startswith("yolokit ")]


def _mentions(page: Path) -> list[str]:
    """Commands in a sentence, which may leave words out: only their options can be wrong."""
    spans = re.findall(r"`(yolokit [^`\n]+)`", page.read_text(encoding="utf-8"))
    return [span for span in spans if not re.search(r"…|\.\.\.|\|", span)]


def _parse(line: str) -> None:
    """Parse as the command line does, without running anything."""
    _, *words = shlex.split(line, comments=True)
    command: click.Command | None = cli
    ctx: click.Context | None = None
    while isinstance(command, click.Group):
        ctx = click.Context(command, parent=ctx)
        if not words or words[0].startswith("-"):
            break
        command = command.get_command(ctx, words.pop(0))
    assert command is not None
    command.make_context(command.name, words, parent=ctx)


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in _commands(README)}
    assert set(cli.list_commands(click.Context(cli))) <= named


@pytest.mark.parametrize(
    "line",
    sorted({line for page in PAGES for line in _commands(page) if " --help" not in line}),
)
def test_a_command_of_a_page_is_understood(line: str) -> None:
    _parse(line)


@pytest.mark.parametrize("span", sorted({span for page in PAGES for span in _mentions(page)}))
def test_a_command_in_a_sentence_is_understood(span: str) -> None:
    try:
        _parse(span)
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        pass  # `yolokit detect --show` leaves the model out; --help ends by itself
    except click.UsageError as error:
        # What a command checks of its arguments together is not asked of a sentence.
        assert not isinstance(error, click.NoSuchOption | click.BadParameter), error


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page) if block.language == "python"],
    ids=str,
)
def test_the_python_of_a_page_parses(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("cell", re.findall(r"^\|.*\| (`model\..*?) \|$", TRANSFER, flags=re.M))
def test_the_settings_of_the_table_exist(cell: str, repository: Path) -> None:
    settings = [word for code in re.findall(r"`(.*?)`", cell) for word in code.split()]
    load_config(repository / "configs" / "quickstart.yaml", [s for s in settings if "=" in s])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
