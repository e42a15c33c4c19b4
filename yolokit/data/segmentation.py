"""The extent of a COCO segmentation, for annotations that have no box."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

Extent = tuple[float, float, float, float]  # x, y, width, height, pixels
_LARGEST_SIDE = 2**24  # pixels
_MOST_BITS = 50  # of one run length: more than any picture's pixels


def segmentation_extent(segmentation: Any) -> Extent | None:
    """The smallest xywh box around polygons or a run-length mask; None where there is neither.

    Args:
        segmentation: COCO's: a list of polygons ``[x1, y1, x2, y2, …]``, or a mask
            ``{"size": [height, width], "counts": list or text}``.
    """
    if isinstance(segmentation, list):
        return _polygon_extent(segmentation)
    if isinstance(segmentation, Mapping):
        return _mask_extent(segmentation)
    return None


def _polygon_extent(polygons: list[Any]) -> Extent | None:
    if not all(isinstance(each, list) and len(each) >= 6 for each in polygons):
        return None
    flat = list(chain.from_iterable(polygons))
    if not flat or not all(type(each) in (int, float) for each in flat):
        return None
    if any(len(each) % 2 for each in polygons):
        return None
    try:
        xs, ys = (list(map(float, flat[start::2])) for start in (0, 1))
    except OverflowError:
        return None
    if not all(map(math.isfinite, chain(xs, ys))):
        return None
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _mask_extent(mask: Mapping[str, Any]) -> Extent | None:
    size, counts = mask.get("size"), mask.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(each) is int for each in size)):
        return None
    height, width = size
    if isinstance(counts, str):
        counts = _decoded_counts(counts)
    if not isinstance(counts, list) or not all(type(each) is int for each in counts):
        return None
    if not (0 < height < _LARGEST_SIDE and 0 < width < _LARGEST_SIDE):
        return None
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        return None
    # Runs go down the columns; the second, fourth … run is the object.
    ends = np.cumsum(counts)
    starts, lasts = (ends - counts)[1::2], ends[1::2] - 1
    held = lasts >= starts
    starts, lasts = starts[held], lasts[held]
    if not len(starts):
        return None
    across = starts // height != lasts // height  # a run over several columns fills their height
    top = 0 if across.any() else int((starts % height).min())
    bottom = height - 1 if across.any() else int((lasts % height).max())
    left, right = int((starts // height).min()), int((lasts // height).max())
    return left, top, right - left + 1, bottom - top + 1


def _decoded_counts(text: str) -> list[int] | None:
    """The run lengths that COCO packs into text; None where it was not packed so.

    A character holds five bits, the lowest first, and whether more follow; from the fourth run on
    each is the difference to the one before the last. pycocotools would read beyond the end of a
    text that is cut off.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - ord("0")
        if not 0 <= bits < 64 or shift > _MOST_BITS:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (1 << shift) if bits & 16 else 0
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return None if shift else counts
