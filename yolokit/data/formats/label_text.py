"""Label files written: YOLO's lines and VOC's XML of one picture's objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from yolokit.data.formats.tree_parts import DECIMALS

_SHARE_DECIMALS = 15  # so that a share times any picture's side is exact to ``DECIMALS``
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Placed(NamedTuple):
    """An object to write: class number and name, xyxy corners in pixels, and if it is a crowd."""

    label: int
    name: str
    corners: tuple[float, float, float, float]
    crowd: bool


def one_line(name: str) -> str:
    """A class name without the line ends and tabs that lists of names have no place for."""
    return " ".join(name.split())


def yolo_text(objects: Iterable[Placed], size_hw: tuple[int, int]) -> str:
    """A line for each object: class, centre and size as shares of the upright picture."""
    height, width = size_hw
    lines = []
    for each in objects:
        x1, y1, x2, y2 = each.corners
        shares = (
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        )
        lines.append(" ".join([str(each.label), *(_plain(s, _SHARE_DECIMALS) for s in shares)]))
    return "".join(f"{line}\n" for line in lines)


def voc_text(objects: Iterable[Placed], size_hw: tuple[int, int], file_name: str) -> str:
    """The XML of a picture; pixels are counted from 1, a crowd is marked difficult."""
    folder, _, name = f"JPEGImages/{file_name}".rpartition("/")
    height, width = size_hw
    lines = [
        "<annotation>",
        f"  <folder>{_text(folder)}</folder>",
        f"  <filename>{_text(name)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "  <segmented>0</segmented>",
        *(line for each in objects for line in _voc_object(each)),
        "</annotation>",
    ]
    return "\n".join(lines) + "\n"


def _voc_object(each: Placed) -> Sequence[str]:
    x1, y1, x2, y2 = each.corners
    corners = {"xmin": x1 + 1, "ymin": y1 + 1, "xmax": x2, "ymax": y2}
    numbers = "".join(f"<{key}>{_plain(v, DECIMALS)}</{key}>" for key, v in corners.items())
    return (
        "  <object>",
        f"    <name>{_text(each.name)}</name>",
        "    <pose>Unspecified</pose>",
        "    <truncated>0</truncated>",
        f"    <difficult>{int(each.crowd)}</difficult>",
        f"    <bndbox>{numbers}</bndbox>",
        "  </object>",
    )


def _plain(value: float, decimals: int) -> str:
    """A number without an exponent and without zeros at its end."""
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(_NOT_XML.sub(_REPLACEMENT, text))
