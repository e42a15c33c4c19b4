"""The course is true: its code comes out as printed, what it names exists, both languages agree."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT / "docs" / f"how-yolo-works{end}.md" for end in ("", ".zh-CN"))
PAGES = (ENGLISH, CHINESE)
BLOCK = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)
NAME = re.compile(r"`(yolokit/[\w/]+\.py)::([\w.]+)`")
HAN = "[\u4e00-\u9fff“”]"
HALF_WIDTH = re.compile(rf"{HAN}\*{{0,2}}[,;:()?!]|[,;:()?!]\*{{0,2}}{HAN}|[,;:]$")
IN_DIAGRAM = re.compile(rf"{HAN} ?[,;:]|[,;:] ?{HAN}")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _definitions(path: Path) -> set[str]:
    """Functions, classes and their methods of a file, dotted."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            parts = node.body if isinstance(node, ast.ClassDef) else []
            found |= {f"{node.name}.{p.name}" for p in parts if isinstance(p, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("name", sorted({n for p in PAGES for n in NAME.findall(_text(p))}))
def test_what_the_course_names_exists(name: tuple[str, str]) -> None:
    file, dotted = name
    assert dotted in _definitions(ROOT / file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_the_course_comes_out_as_printed(page: Path) -> None:
    script = "\n".join(text for kind, text in BLOCK.findall(_text(page)) if kind == "pycon")
    test = doctest.DocTestParser().get_doctest(script, {}, page.name, str(page), 0)
    assert len(test.examples) > 20
    said: list[str] = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


def test_the_scripts_of_the_course_are_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"examples/[\w/]+\.\w+", _text(page))}
    assert [name for name in named if not (ROOT / name).exists()] == []


def _skeleton(page: Path) -> dict[str, list[str]]:
    """What is the same in every language."""
    text = _text(page)
    blocks = BLOCK.findall(text)
    rows = [row for row in text.splitlines() if row.startswith("|")]
    return {
        "headings": re.findall(r"^(##+ \d*)", text, flags=re.M),
        "code": [body for kind, body in blocks if kind == "pycon"],
        "commands": [body for _, body in blocks if body.startswith(("yolokit ", "python "))],
        "names": [f"{file}::{dotted}" for file, dotted in NAME.findall(text)],
        "pictures": re.findall(r"\]\((images/.*?)\)", text),
        "numbers in tables": re.findall(r"\d[\d.,]*\d|\d", "".join(rows)),
    }


@pytest.mark.parametrize("part", list(_skeleton(ENGLISH)))
def test_both_languages_agree(part: str) -> None:
    assert _skeleton(CHINESE)[part] == _skeleton(ENGLISH)[part]


def test_chinese_text_has_chinese_punctuation() -> None:
    """Full width beside Chinese words; formulas keep their brackets, Python what Python wants."""
    text = _text(CHINESE)
    diagrams = [body for kind, body in BLOCK.findall(text) if not kind]
    prose = re.sub(r"`[^`\n]+`", "码", BLOCK.sub("", text))
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    assert [line for line in prose.splitlines() if HALF_WIDTH.search(line)] == []
    assert [row for body in diagrams for row in body.splitlines() if IN_DIAGRAM.search(row)] == []
