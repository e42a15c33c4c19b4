"""Figures with captions, set as one picture or given to a page.

Shape legend: H × W pixels.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.drawing import Rgb
from yolokit.explain.drawn_table import drawn_table
from yolokit.explain.lettering import written
from yolokit.files import write_text_atomically, written_atomically
from yolokit.report.page import Part, Section, page, table

_GAP = 16  # px between figures and around them
_CAPTION_GAP = 6  # px from a caption to its picture
_TITLE_PX, _CAPTION_PX = 24, 17
_GREY: Rgb = (95, 99, 104)
_NARROWEST = 640  # px of a sheet, so that its text can be read


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A picture [H, W, 3] uint8 RGB and what it shows, in a sentence."""

    picture: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head, all text, and what they are; the last ``texts`` columns are no numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sheet:
    """Figures that belong together; in a notebook it shows itself.

    Args:
        title: what they explain.
        lead: how to read them.
        figures: in order; without any, the picture shows the first table.
        columns: figures in a row of the picture.
        tables: that go with them, the shortest first.
        numbers: all that was measured, as plain values.
    """

    title: str
    lead: str
    figures: Sequence[Figure]
    columns: int = 1
    tables: Sequence[Table] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def picture(self) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB: title, how to read, and the figures with their captions."""
        figures = self.figures or [_of_table(self.tables[0])]
        rows = [
            _row(figures[start : start + self.columns], least=_NARROWEST // self.columns)
            for start in range(0, len(figures), self.columns)
        ]
        width = max(_NARROWEST, *(row.shape[1] for row in rows))
        heading = written(self.title, _TITLE_PX, width)
        lead = written(self.lead, _CAPTION_PX, width, ink=_GREY)
        return _framed(_stacked([heading, lead, *rows]))

    def image(self) -> Image.Image:
        """The same for Pillow."""
        return Image.fromarray(self.picture())

    def save(self, path: str | Path) -> None:
        """Write it whole or not at all: a PNG, or with ``.html`` a page with its tables."""
        if Path(path).suffix.lower() == ".html":
            write_text_atomically(Path(path), self.page())
            return
        with written_atomically(Path(path)) as temporary:
            self.image().save(temporary, format="PNG", optimize=True)

    def page(self) -> str:
        """One HTML file that loads nothing."""
        shown = [(_data_uri(each.picture), each.caption) for each in self.figures]
        parts = [Part("figures", shown)] if shown else []
        for number, each in enumerate(self.tables):
            drawn = table(each.head, each.rows, texts=each.texts)
            parts.append(Part("details", (each.title, [drawn])) if number else drawn)
        if self.numbers:
            parts.append(Part("details", ("All numbers, as JSON", [self._all_numbers()])))
        return page(self.title, self.lead, [Section("", parts)])

    def _all_numbers(self) -> Part:
        """JSON, a line for each of the outermost names."""
        lines = (f"{json.dumps(name)}: {json.dumps(own)}" for name, own in self.numbers.items())
        return Part("code", "{\n" + ",\n".join(lines) + "\n}")

    def _repr_png_(self) -> bytes:
        stored = io.BytesIO()
        self.image().save(stored, format="PNG")
        return stored.getvalue()


def _of_table(shown: Table) -> Figure:
    return Figure(drawn_table(shown.head, shown.rows, shown.texts), "")


def _data_uri(picture: NDArray[np.uint8]) -> str:
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stored.getvalue()).decode("ascii")


def _row(figures: Sequence[Figure], least: int) -> NDArray[np.uint8]:
    """Side by side, their pictures' upper edges on one line, each ``least`` px wide or more."""
    widths = [max(each.picture.shape[1], least) for each in figures]
    captions = [_caption(each, width) for each, width in zip(figures, widths, strict=True)]
    tallest = max(caption.shape[0] for caption in captions)
    height = max(each.picture.shape[0] for each in figures)
    parts: list[NDArray[np.uint8]] = []
    for caption, figure, width in zip(captions, figures, widths, strict=True):
        above, below = tallest - caption.shape[0], height - figure.picture.shape[0]
        picture = _padded(figure.picture, width)
        column = [_blank(above, width), caption, _blank(_CAPTION_GAP, width), picture]
        full = np.concatenate([*column, _blank(below, width)])
        parts += [full, _blank(full.shape[0], _GAP)]
    return np.concatenate(parts[:-1], axis=1)


def _caption(figure: Figure, width: int) -> NDArray[np.uint8]:
    return written(figure.caption, _CAPTION_PX, width) if figure.caption else _blank(0, width)


def _stacked(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = max(part.shape[1] for part in parts)
    rows: list[NDArray[np.uint8]] = []
    for part in parts:
        rows += [_padded(part, width), _blank(_GAP, width)]
    return np.concatenate(rows[:-1])


def _padded(part: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.concatenate([part, _blank(part.shape[0], width - part.shape[1])], axis=1)


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sides = ((_GAP, _GAP), (_GAP, _GAP), (0, 0))
    return np.pad(picture, sides, constant_values=255)


def _blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, dtype=np.uint8)
