"""What a report is made of, and the one template that turns it into a page.

A report is sections of parts: text, tables, charts, pictures. Parts hold plain text, which the
template escapes, whatever it is; only a chart is ``Html`` already, made by `charts.py`, where
``text`` escapes what a user could have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

Html = Markup
Kind = Literal[
    "paragraph",
    "list",
    "facts",
    "tiles",
    "table",
    "columns",
    "matrix",
    "code",
    "details",
    "charts",
    "legend",
    "pictures",
    "figures",
    "crops",
]
_TEMPLATE = "template.html"


def text(value: object) -> Html:
    """Any value as text of the page; what UTF-8 cannot carry becomes a question mark."""
    return escape(_plain(value))


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a section shows.

    Args:
        kind: what it is; the template has a form for each.
        content: as that form wants it.
        style: a variant of it.
    """

    kind: Kind
    content: Any
    style: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a heading; without one, the top of the page."""

    heading: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column is text, and others numbers but for the last ``texts`` ones."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A count of a matrix, with the share of its row, 0..1, that colours it."""

    value: str
    share: float


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts of rows by columns; the first name of ``head`` is that of the rows."""

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Two pictures side by side, as data URIs."""

    first: str
    second: str
    first_name: str
    second_name: str
    caption: str


@dataclass(frozen=True, slots=True)
class Crop:
    """A small picture, as a data URI."""

    uri: str
    name: str
    caption: str


def paragraph(sentence: str, style: Literal["", "soft", "result"] = "") -> Part:
    """A paragraph."""
    return Part("paragraph", sentence, style)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 0) -> Part:
    """A table, see ``Table``."""
    return Part("table", Table(head, rows, texts))


def charts(drawn: Sequence[Html], *, small: bool = False) -> Part:
    """Charts beside each other."""
    return Part("charts", drawn, "small" if small else "")


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """A whole HTML file that loads nothing.

    Args:
        title, subtitle: at its top.
        sections: in order.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else _plain(value),
    )
    source = files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(title=title, subtitle=subtitle, sections=sections)


def _plain(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode("utf-8")
