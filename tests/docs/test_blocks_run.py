"""Every block of the README and the docs does what it says, typed by a reader with a tiny set.

A block that stands on several pages, its comments apart, is run on the first, and wherever the page
works on with what it makes.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from doc_blocks import (
    ROOT,
    SHOWN,
    Block,
    blocks,
    commands,
    first_of_its_kind,
    goes_on_with,
    pages,
)
from doc_place import (
    NOT_RUN,
    SUBSTITUTIONS,
    Servers,
    make_place,
    run_command,
    shell_environment,
    substituted,
    why_not_run,
)

from yolokit.config_file import config_from_tree
from yolokit.strict_yaml import read_yaml

RUN_ELSEWHERE = ("pycon",)  # test_course.py, as doctests

PAGES = [page for page in pages() if blocks(page)]
BLOCKS = [block for page in PAGES for block in blocks(page)]
NEW = [block for block in BLOCKS if block == first_of_its_kind(block, BLOCKS)]
TYPED = [each.typed for block in BLOCKS if block.is_shell for each in commands(block)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clone``, all that pages speak of, and ``torch``, the cache of weights."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "clone").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        make_place(folder / "clone", folder / "torch")
    return folder


@pytest.fixture
def clone(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder as the working directory."""
    place = tmp_path / "clone"
    shutil.copytree(prepared / "clone", place, symlinks=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("TORCH_HOME", str(prepared / "torch"))
    for name, value in shell_environment(tmp_path / "tools").items():
        monkeypatch.setenv(name, value)
    return place


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


def run_shell(block: Block, servers: Servers) -> None:
    for command in commands(block):
        if command.typed.startswith("yolokit serve "):
            servers.start(command.typed)
        elif why_not_run(command.typed) is None:
            typed = servers.asked(substituted(command.typed))
            assert run_command(typed) == 0, f"{block}: {command.typed}"
            for path in command.makes:
                assert Path(path).exists(), f"{block}: {command.typed} makes no {path}"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module in which a page's Python runs, block after block; others can look it up."""
    module = ModuleType("reader")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def run_python(block: Block, servers: Servers, script: ModuleType) -> None:
    if why_not_run(block.text) is not None:
        return
    text = servers.asked(substituted(block.text))
    exec(compile(text, str(block), "exec"), vars(script))


def read_settings(block: Block) -> None:
    config_from_tree(read_yaml(block.text), [], str(block))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(
    page: Path, clone: Path, servers: Servers, script: ModuleType
) -> None:
    found = blocks(page)
    for number, block in enumerate(found, 1):
        if block not in NEW and not goes_on_with(block, found[number:]):
            continue
        if block.is_shell:
            run_shell(block, servers)
        elif block.language == "python":
            run_python(block, servers, script)
        elif block.language == "yaml":
            read_settings(block)
        else:
            assert block.language in (*SHOWN, *RUN_ELSEWHERE), (
                f"{block}: what is {block.language!r}?"
            )


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_still_stands_on_a_page(pattern: str) -> None:
    assert [typed for typed in TYPED if re.fullmatch(pattern, typed)]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in SUBSTITUTIONS])
def test_what_is_substituted_still_stands_on_a_page(pattern: str) -> None:
    assert [block for block in BLOCKS if re.search(pattern, block.text)]
