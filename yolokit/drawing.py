"""Boxes and labels on a picture, legible at any picture size.

Used for the preview of the training data, for detections and for video: the same class has the
same colour in all three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from yolokit.fonts import write_with
from yolokit.label_places import Rectangle, place_labels
from yolokit.types import Detections

Rgb = tuple[int, int, int]
_PALETTE: tuple[Rgb, ...] = (
    (255, 92, 77), (64, 224, 120), (72, 160, 255), (255, 206, 64), (214, 112, 255),
    (48, 222, 222), (255, 148, 46), (255, 112, 178), (168, 226, 48), (140, 132, 255),
    (0, 178, 148), (214, 164, 112), (120, 206, 255), (232, 74, 120), (186, 186, 64),
    (104, 196, 86), (196, 128, 200), (255, 176, 156), (88, 140, 200), (190, 200, 210),
)  # fmt: skip
_UNTRACKED: Rgb = (150, 150, 150)
_LINE_SHARE = 1 / 280  # line width as a share of the picture's size
_FINE_SIZE = 160  # pixels; on smaller pictures two pixels of line would cover the objects
_FONT_SHARE = 1 / 32  # letter height, as a share of the picture's size
_FONT_PX = (10, 40)  # below, letters dissolve; above, they only cover the picture


@dataclass(frozen=True, slots=True)
class Style:
    """How boxes look.

    Args:
        line_width: pixels; None for what suits the picture's size.
        labels: whether names and scores are written.
    """

    line_width: int | None = None
    labels: bool = True


PLAIN = Style()


def class_colour(label: int) -> Rgb:
    """The RGB colour of a class; depends on nothing but its label, repeats after 20."""
    return _PALETTE[label % len(_PALETTE)]


def draw_boxes(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    names: Sequence[str],
    scores: NDArray[np.float32] | None = None,
    style: Style = PLAIN,
) -> NDArray[np.uint8]:
    """A copy of a picture with every box outlined and named.

    Labels stand above their box, or inside, below or beside it, always inside the picture, where
    they hide little of the other objects; one that would cover another label is left out, and the
    colour alone tells the class. Where boxes cross, the earlier one (the better detection) lies on
    top.

    Args:
        image: [H, W, 3] uint8 RGB.
        boxes: [N, 4] xyxy pixels of ``image``; may reach outside; non-finite rows are left out.
        labels: [N] in 0..C-1.
        names: C class names.
        scores: [N] in 0..1, written after the name; None writes names alone.
        style: how thick lines are, and whether there are labels.

    Returns:
        [H, W, 3] uint8 RGB, a new array; equal to ``image`` when there are no boxes.
    """
    texts = [names[label] for label in labels]
    if scores is not None:
        texts = [f"{name} {score:.2f}" for name, score in zip(texts, scores, strict=True)]
    return draw_tagged(image, boxes, texts, [class_colour(int(label)) for label in labels], style)


def draw_detections(
    image: NDArray[np.uint8], detections: Detections, names: Sequence[str], style: Style = PLAIN
) -> NDArray[np.uint8]:
    """As ``draw_boxes``; boxes that are tracked have their track's colour, and its number.

    Args:
        image: [H, W, 3] uint8 RGB.
        detections: in pixels of ``image``; a box without a track is grey.
        names: C class names.
        style: as for ``draw_boxes``.
    """
    found = detections
    if found.track_ids is None:
        return draw_boxes(image, found.boxes, found.labels, names, found.scores, style)
    rows = zip(found.track_ids.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    texts = [
        f"{f'#{track_id} ' if track_id > 0 else ''}{names[label]} {score:.2f}"
        for track_id, label, score in rows
    ]
    colours = [track_colour(track_id) for track_id in found.track_ids.tolist()]
    return draw_tagged(image, found.boxes, texts, colours, style)


def track_colour(track_id: int) -> Rgb:
    """The RGB colour of a track; depends on nothing but its number, repeats after 20."""
    return class_colour(track_id) if track_id > 0 else _UNTRACKED


def draw_tagged(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    texts: Sequence[str],
    colours: Sequence[Rgb],
    style: Style = PLAIN,
) -> NDArray[np.uint8]:
    """As ``draw_boxes``, with a text and a colour of its own for each box.

    Args:
        image: [H, W, 3] uint8 RGB.
        boxes: [N, 4] xyxy pixels of ``image``; may reach outside; non-finite rows are left out.
        texts: N labels; see `yolokit.fonts` for letters outside ASCII.
        colours: N RGB colours.
        style: as for ``draw_boxes``.
    """
    canvas: NDArray[np.uint8] = np.array(image, dtype=np.uint8, order="C")
    size = math.sqrt(canvas.shape[0] * canvas.shape[1])
    drawn = [
        (index, box)
        for index in range(len(boxes))
        if (box := _visible_box(boxes[index], canvas.shape)) is not None
    ]
    for index, box in reversed(drawn):
        _outline(canvas, box, colours[index], style.line_width or _line_width(size))
    if style.labels:
        tags = [_tag(texts[index], _font_px(size), colours[index]) for index, _ in drawn]
        places = place_labels([box for _, box in drawn], [tag.shape for tag in tags], canvas.shape)
        for tag, place in zip(tags, places, strict=True):
            if place is not None:
                x1, y1, x2, y2 = place
                canvas[y1:y2, x1:x2] = tag[: y2 - y1, : x2 - x1]
    return canvas


def draw_note(
    canvas: NDArray[np.uint8], text: str, place_xy: tuple[float, float], colour: Rgb
) -> None:
    """Write a label into a picture, centred on a place but always inside.

    Args:
        canvas: [H, W, 3] uint8 RGB, changed.
        text: of the label.
        place_xy: pixels.
        colour: of its ground.
    """
    height, width = canvas.shape[:2]
    tag = _tag(text, _font_px(math.sqrt(height * width)), colour)[:height, :width]
    x, y = (
        round(min(max(at - side / 2, 0), most - side))
        for at, side, most in zip(place_xy, tag.shape[1::-1], (width, height), strict=True)
    )
    canvas[y : y + tag.shape[0], x : x + tag.shape[1]] = tag


def tile(images: Sequence[NDArray[np.uint8]], columns: int, gap: int = 4) -> NDArray[np.uint8]:
    """Pictures of one size side by side, row after row, on a dark ground.

    Args:
        images: at least one, each [H, W, 3] uint8.
        columns: pictures in a row; the last row may be shorter.
        gap: pixels between pictures and around them.

    Raises:
        ValueError: no pictures, or pictures of different sizes.
    """
    if len({image.shape for image in images}) != 1:
        raise ValueError("tile wants at least one picture, all of one size")
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, dtype=np.uint8
    )
    for index, image in enumerate(images):
        y = gap + index // columns * (height + gap)
        x = gap + index % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet


def _visible_box(box: NDArray[np.float32], shape: tuple[int, ...]) -> Rectangle | None:
    """The box in whole pixels, cut to the picture; None when nothing of it is there."""
    height, width = shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box)
    if not np.isfinite(box).all() or x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return None
    left, top = min(max(round(x1), 0), width - 1), min(max(round(y1), 0), height - 1)
    return left, top, max(min(round(x2), width), left + 1), max(min(round(y2), height), top + 1)


def _outline(canvas: NDArray[np.uint8], box: Rectangle, colour: Rgb, width: int) -> None:
    """A frame lying inside the box; a thick one has a dark rim, which shows on any ground."""
    x1, y1, x2, y2 = box
    if width > 1 and min(x2 - x1, y2 - y1) > 6 * width:
        dark = tuple(channel // 4 for channel in colour)
        cv2.rectangle(canvas, (x1 + width, y1 + width), (x2 - 1 - width, y2 - 1 - width), dark, 1)
    for inset in range(width):
        if x2 - x1 > 2 * inset and y2 - y1 > 2 * inset:
            corner = (x1 + inset, y1 + inset), (x2 - 1 - inset, y2 - 1 - inset)
            cv2.rectangle(canvas, *corner, colour, 1)


@lru_cache(maxsize=4096)
def _tag(text: str, font_px: int, colour: Rgb) -> NDArray[np.uint8]:
    """The label as a small picture: dark or light letters on the class colour."""
    runs = write_with(text, font_px)
    ascent, descent = _line_height(font_px)
    pad = max(2, font_px // 5)
    width = math.ceil(sum(font.getlength(part) for part, font in runs)) + 2 * pad
    tag = Image.new("RGB", (width, ascent + descent + pad), colour)
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]  # ITU-R BT.601
    ink = (0, 0, 0) if brightness > 110 else (255, 255, 255)
    draw, x = ImageDraw.Draw(tag), float(pad)
    for part, font in runs:
        draw.text((x, pad // 2 + ascent), part, fill=ink, font=font, anchor="ls")
        x += font.getlength(part)
    return np.asarray(tag)


@lru_cache(maxsize=64)
def _line_height(font_px: int) -> tuple[int, int]:
    """How far letters reach above and below the base line: the same for every label."""
    _, top, _, bottom = ImageFont.load_default(size=font_px).getbbox("Ápg|", anchor="ls")
    return math.ceil(-top), math.ceil(bottom)


def _font_px(size: float) -> int:
    """Letters' height, for a picture whose area is ``size`` squared."""
    return min(max(round(size * _FONT_SHARE), _FONT_PX[0]), _FONT_PX[1])


def _line_width(size: float) -> int:
    """Pixels, for a picture whose area is ``size`` squared."""
    return 1 if size < _FINE_SIZE else max(2, round(size * _LINE_SHARE))
