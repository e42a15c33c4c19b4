"""The fenced blocks of the pages, and what of them is typed: shell commands, Python, settings."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN_PAGES = ("README.md", "README.zh-CN.md", "docs/**/*.md", "examples/**/*.md")
SHOWN = ("", "text", "json", "nginx")  # what is printed, laid out, or another program's file
# What a block begins with that is typed into a shell although it names no language.
_TYPED = ("yolokit", "python", "pip", "git", "curl", "mkdocs", "make", "torchrun")
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n`]*\n(?P<text>.*?)^(?P=indent)```$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: its path in the repository.
        line: of its fence, counted from 1.
        language: the word after the fence, or "".
        text: between the fences, without the indentation of the fence.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Whether it is typed into a shell: it says so, or begins with a command."""
        first = (self.text.split() or [""])[0]
        return self.language == "sh" or (self.language == "" and first in _TYPED)


@dataclass(frozen=True)
class Command:
    """A line of a shell block, its continuations joined.

    Args:
        typed: without the comment.
        makes: paths that the comment names as what there is afterwards.
    """

    typed: str
    makes: tuple[str, ...]


def pages() -> list[Path]:
    """Every page whose blocks are run."""
    return sorted({path for pattern in RUN_PAGES for path in ROOT.glob(pattern)})


def blocks(page: Path) -> list[Block]:
    """A page's fenced blocks, in order."""
    content = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(
            page=name,
            line=content.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
        )
        for found in _FENCE.finditer(content)
    ]


def commands(block: Block) -> Iterator[Command]:
    """What a shell block has typed: a command for each of those that ``&&`` joins."""
    for line in block.text.replace("\\\n", " ").splitlines():
        typed, comment = _split_comment(line)
        parts = [" ".join(part.split()) for part in typed.split(" && ")]
        for part in filter(None, parts):
            yield Command(part, makes=tuple(_paths(comment)) if part == parts[-1] else ())


def first_of_its_kind(block: Block, among: Sequence[Block]) -> Block:
    """The first block in which the same is typed, whatever its comments say; else the block."""
    if not block.is_shell:
        return block
    typed = [each.typed for each in commands(block)]
    same = (
        other
        for other in among
        if other.is_shell and [each.typed for each in commands(other)] == typed
    )
    return next(same, block)


def goes_on_with(block: Block, later: Sequence[Block]) -> bool:
    """Whether others work on a run that the block makes."""
    runs = re.findall(r"--run (\S+)", block.text)
    return any(run in other.text for run in runs for other in later)


def _split_comment(line: str) -> tuple[str, str]:
    """A line's command and comment, which begins at a # outside of quotes."""
    for found in re.finditer(r"(?:^|\s)#", line):
        before = line[: found.start()]
        try:
            shlex.split(before)
        except ValueError:  # inside a quotation
            continue
        return before, line[found.end() :]
    return line, ""


def _paths(comment: str) -> list[str]:
    """Words that are paths of something: with a folder, and of plain characters only."""
    return [word for word in comment.split() if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+", word)]
