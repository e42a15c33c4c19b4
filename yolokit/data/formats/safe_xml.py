"""Small XML files of strangers: elements, text and lines, and nothing that XML can be abused for.

Entities are not declared in any annotation file; a file that declares some is refused, so that none
can grow without end or read another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

_DEEPEST = 50  # elements in one another
_LARGEST = 2**28  # bytes of a file


@dataclass(slots=True)
class Element:
    """An element: its name, attributes, line, text and children in file order."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """The first child of that name."""
        return next(self.all(name), None)

    def value(self, name: str) -> str | None:
        """The text of the first child of that name, without white space around it."""
        child = self.first(name)
        return None if child is None else child.text.strip()


class _Reader:
    """Takes what expat tells and keeps the tree of it."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise ValueError(f"line {self.parser.CurrentLineNumber}: nested too deep")
        element = Element(name, attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if not self._open[-1].children:  # between children stands nothing that is meant
            self._open[-1].text += text

    def _refuse(self, *_declaration: object) -> None:
        raise ValueError(f"line {self.parser.CurrentLineNumber}: declares entities")


def read_xml(path: Path) -> Element:
    """The outermost element of a file.

    Raises:
        OSError: unreadable.
        ValueError: not XML, cut off, too large, or with entities of its own; with the line.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"has more than {_LARGEST} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ValueError(f"line {error.lineno}: {reason}") from error
    assert reader.root is not None  # expat refuses a file without an element
    return reader.root
