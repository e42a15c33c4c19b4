"""Tables as pictures and as pages: every text is in its place, and none is taken for markup."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from PIL import Image

from yolokit.explain.drawn_table import drawn_table
from yolokit.explain.sheet import Figure, Sheet, Table

HEAD = ("layer", "output", "kind")
ROWS = [("stem", "8x4", "Conv2d"), ("a much longer name", "16x2x2", "x")]


def _spans(picture: np.ndarray) -> list[tuple[int, int]]:
    """First and last column of ink of each text in a row of a table, from left to right."""
    inked = np.flatnonzero((picture < 200).any((0, 2)))
    gaps = np.flatnonzero(np.diff(inked) > 15)  # wider than those between words
    return [(int(each[0]), int(each[-1])) for each in np.split(inked, gaps + 1)]


def test_a_drawn_table_has_text_to_the_left_and_numbers_to_the_right() -> None:
    picture = drawn_table(HEAD, ROWS, texts=1)
    height = picture.shape[0] // 3  # two rows under a head, all of one height
    (name, size, kind), (long, larger, short) = (
        _spans(picture[row * height : (row + 1) * height - 1]) for row in (1, 2)
    )
    assert abs(name[0] - long[0]) <= 2 and name[1] < long[1] < size[0]
    assert abs(size[1] - larger[1]) <= 2 and larger[0] < size[0]
    assert abs(kind[0] - short[0]) <= 2 and larger[1] < short[0]


def test_a_sheet_without_figures_shows_its_table() -> None:
    sheet = Sheet(title="t", lead="l", figures=(), tables=[Table("rows", HEAD, ROWS, texts=1)])
    table = drawn_table(HEAD, ROWS, texts=1)
    picture = sheet.picture()
    assert (picture[-16 - len(table) : -16, 16 : 16 + table.shape[1]] == table).all()
    assert sheet.page().count("<tr>") == 3 and "<figure" not in sheet.page()


def test_a_name_is_text_whatever_it_is() -> None:
    nasty = "<script>alert(1)</script>\x1b[31m\n&"
    sheet = Sheet(title=nasty, lead=nasty, figures=(), tables=[Table("t", ["a"], [[nasty]])])
    page = sheet.page()
    assert "<script>" not in page and page.count("&lt;script&gt;") == 4
    sheet.picture()


@pytest.mark.parametrize("columns", [1, 3])
def test_a_caption_over_a_narrow_picture_can_be_read(columns: int) -> None:
    """Broken into as few lines as over pictures that share the sheet's least width."""

    def sheet(width: int) -> Sheet:
        picture = np.zeros((50, width, 3), dtype=np.uint8)
        figure = Figure(picture, "a caption of several words")
        return Sheet(title="t", lead="l", figures=[figure] * columns, columns=columns)

    assert sheet(4).picture().shape[0] == sheet(640 // columns).picture().shape[0]


def test_a_page_holds_all_numbers() -> None:
    numbers = {"name": "<b>", "maps": {"a": [[1, 2.5], [3, 4]]}}
    sheet = Sheet(title="t", lead="l", figures=(), numbers=numbers)
    (stored,) = re.findall(r"<pre>(.*?)</pre>", sheet.page(), re.DOTALL)
    assert json.loads(html.unescape(stored)) == numbers


@pytest.mark.parametrize("rows", [[], [[""]]])
def test_an_empty_table_is_its_head(rows: list[list[str]]) -> None:
    picture = drawn_table(["a"], rows)
    assert picture.shape[0] == 22 * (1 + len(rows))
    Image.fromarray(picture)
