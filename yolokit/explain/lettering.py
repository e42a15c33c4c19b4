"""Text as pictures: dark on white, broken into lines where they are full."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from yolokit.drawing import Rgb
from yolokit.fonts import write_with

INK: Rgb = (32, 33, 36)
PAPER: Rgb = (255, 255, 255)
_LINE = 1.4  # heights of a font from base line to base line


def written(
    text: str, font_px: int, width: int | None = None, *, ink: Rgb = INK, paper: Rgb = PAPER
) -> NDArray[np.uint8]:
    """A text as a picture.

    Args:
        text: any; see `yolokit.fonts` for letters outside ASCII.
        font_px: height of the font.
        width: pixels of the picture, in which lines are broken; None for one line of any width.
        ink, paper: colours.

    Returns:
        [lines · 1.4 · font_px, width, 3] uint8 RGB.
    """
    lines = text.split("\n") if width is None else _broken(text, font_px, width)
    wide = width or max(1, math.ceil(max(_length(line, font_px) for line in lines)))
    step = round(_LINE * font_px)
    picture = Image.new("RGB", (wide, step * len(lines)), paper)
    draw = ImageDraw.Draw(picture)
    ascent = -ImageFont.load_default(size=font_px).getbbox("Ápg|", anchor="ls")[1]
    for number, line in enumerate(lines):
        x, base = 0.0, number * step + (step - font_px) // 2 + round(ascent * 0.9)
        for part, font in write_with(line, font_px):
            draw.text((x, base), part, fill=ink, font=font, anchor="ls")
            x += font.getlength(part)
    return np.asarray(picture)


def _length(text: str, font_px: int) -> float:
    return float(sum(font.getlength(part) for part, font in write_with(text, font_px)))


def _broken(text: str, font_px: int, width: int) -> list[str]:
    """Lines no wider than the picture, unless one word is."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _length(longer, font_px) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines
