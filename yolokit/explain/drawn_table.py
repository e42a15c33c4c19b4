"""A table as a picture, for where there is no page that could lay one out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.explain.lettering import INK, PAPER, written
from yolokit.plain_text import tamed

_FONT_PX = 15
_GAP = 22  # px between columns
_RULE = (223, 228, 234)
_GREY = (95, 99, 104)


def drawn_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 0
) -> NDArray[np.uint8]:
    """Text in columns under a head.

    Args:
        head: of each column.
        rows: as many texts each.
        texts: how many of the last columns stand to the left, as the first does; others, numbers,
            stand to the right.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    inks = [_GREY, *[INK] * len(rows)]
    columns = [
        [written(tamed(text), _FONT_PX, ink=ink) for text, ink in zip(column, inks, strict=True)]
        for column in zip(head, *rows, strict=True)
    ]
    widths = [max(cell.shape[1] for cell in column) for column in columns]
    height = columns[0][0].shape[0]
    size = sum(widths) + _GAP * (len(widths) - 1), (height + 1) * (len(rows) + 1)
    picture, left = Image.new("RGB", size, PAPER), 0
    for number, (column, width) in enumerate(zip(columns, widths, strict=True)):
        numeric = 0 < number < len(columns) - texts
        for row, cell in enumerate(column):
            indent = width - cell.shape[1] if numeric else 0
            picture.paste(Image.fromarray(cell), (left + indent, row * (height + 1)))
        left += width + _GAP
    found = np.array(picture)
    found[height :: height + 1] = _RULE
    return found
