"""Draws the pictures of docs/how-yolo-works.md from what yolokit computes; made-up photos only.

python examples/course_pictures.py docs/images/course
"""

from __future__ import annotations

import argparse
import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from residual_gradients import build_pair, gradient_norms, made_up_batch

from yolokit.heads.yolov1.codec import assign_cells
from yolokit.ops.nms import class_aware_nms
from yolokit.synthesis.dataset import visible_box
from yolokit.synthesis.scenes import make_scene

INK, PALE, OWN, TWIN, GREEN = "#1f2933", "#d9e2ec", "#0b6e99", "#c2410c", "#2f855a"
FONT = 'font-family="Helvetica, Arial, sans-serif"'


class Drawing:
    """An SVG of a size in pixels, on white so that it can be read on a dark page."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.parts = [f'<rect width="{width}" height="{height}" fill="white"/>']

    def rect(
        self,
        box: Sequence[float],
        *,
        fill: str = "none",
        stroke: str = INK,
        width: float = 1,
        dash: str = "",
    ) -> None:
        """A rectangle of xyxy corners."""
        x1, y1, x2, y2 = (round(float(v), 1) for v in box)
        self.parts.append(
            f'<rect x="{x1}" y="{y1}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="{width}" stroke-dasharray="{dash}"/>'
        )

    def line(
        self,
        points: Sequence[tuple[float, float]],
        *,
        stroke: str = INK,
        width: float = 1.5,
        arrow: bool = False,
        dash: str = "",
    ) -> None:
        """A line through points."""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        end = f' marker-end="url(#tip{stroke[1:]})"' if arrow else ""
        self.parts.append(
            f'<polyline points="{text}" fill="none" stroke="{stroke}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}"{end}/>'
        )

    def dot(self, x: float, y: float, radius: float = 3, fill: str = INK) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 15,
        fill: str = INK,
        anchor: str = "middle",
    ) -> None:
        """Words, their baseline at y."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" {FONT} '
            f'text-anchor="{anchor}">{words}</text>'
        )

    def photo(self, image: Image.Image, x: float, y: float, side: float) -> None:
        """A square photo, embedded."""
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        data = base64.b64encode(buffer.getvalue()).decode()
        self.parts.append(
            f'<image x="{x}" y="{y}" width="{side}" height="{side}" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )

    def save(self, path: Path) -> None:
        """Write the file."""
        tips = "".join(
            f'<marker id="tip{c[1:]}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{c}"/></marker>'
            for c in (INK, OWN, TWIN, GREEN)
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
            f'height="{self.height}" viewBox="0 0 {self.width} {self.height}">'
        )
        body = "\n".join(self.parts)
        path.write_text(f"{head}<defs>{tips}</defs>\n{body}\n</svg>\n", encoding="utf-8")


def convolution() -> Drawing:
    """The example of the text: one place of the result, with what it is made of."""
    picture = torch.tensor([[0.0, 0, 1, 1, 1]] * 5)
    kernel = torch.tensor([[-1.0, 0, 1]] * 3)
    result = F.conv2d(picture[None, None], kernel[None, None])[0, 0]
    drawing = Drawing(640, 240)
    for left, top, numbers in ((20, 20, picture), (290, 60, kernel), (490, 60, result)):
        for row, values in enumerate(numbers.tolist()):
            for column, value in enumerate(values):
                x, y = left + 40 * column, top + 40 * row
                shade = "#f5f7fa" if value > 0 and numbers is picture else PALE
                fill = shade if numbers is picture else "white"
                drawing.rect((x, y, x + 40, y + 40), fill=fill, stroke="#9aa5b1")
                drawing.text(x + 20, y + 26, f"{value:g}")
    drawing.rect((20, 20, 140, 140), stroke=TWIN, width=3)
    drawing.rect((490, 60, 530, 100), stroke=TWIN, width=3)
    drawing.text(255, 128, "&#8727;", size=26)
    drawing.text(450, 126, "=", size=24)
    return drawing


def residual_block() -> Drawing:
    """A plain and a residual block, values forward and the gradient backward."""
    drawing = Drawing(720, 255)
    for left, shortcut in ((30, False), (370, True)):
        middle = left + 70
        drawing.line([(left, 90), (middle - 2, 90)], arrow=True)
        drawing.rect((middle, 62, middle + 90, 118), fill="#f0f4f8")
        drawing.text(middle + 45, 96, "F(x)", size=18)
        end = middle + 130
        drawing.line([(middle + 90, 90), (end - (14 if shortcut else -14), 90)], arrow=True)
        drawing.text(left + 10, 80, "x", size=18)
        name = "y = x + F(x)" if shortcut else "y = F(x)"
        drawing.text(end + 20, 96, name, size=18, anchor="start")
        drawing.line([(end - 6, 170), (left + 4, 170)], stroke=TWIN, width=2, arrow=True)
        drawing.text(middle + 45, 160, "· F&#8242;(x)", size=16, fill=TWIN)
        drawing.text(end + 26, 176, "dL/dy", size=16)
        if shortcut:
            drawing.parts.append(f'<circle cx="{end}" cy="90" r="12" fill="white" stroke="{INK}"/>')
            drawing.text(end, 96, "+", size=18)
            way = [(left + 30, 90), (left + 30, 30), (end, 30), (end, 76)]
            drawing.line(way, stroke=OWN, width=2.5, arrow=True)
            drawing.text(middle + 45, 22, "x", size=16, fill=OWN)
            drawing.line([(end - 6, 210), (left + 4, 210)], stroke=OWN, width=2.5, arrow=True)
            drawing.text(middle + 45, 204, "· 1", size=16, fill=OWN)
            drawing.text(left + 140, 240, "dL/dx = dL/dy · (1 + F&#8242;(x))", size=16)
        else:
            drawing.text(left + 140, 240, "dL/dx = dL/dy · F&#8242;(x)", size=16)
    return drawing


def residual_gradients() -> Drawing:
    """ResNet-50's gradient norms at each sum: with batch norm, and with small weights without."""
    batch = made_up_batch()
    drawing = Drawing(720, 330)
    for left, title, options in (
        (60, "batch norm", {}),
        (420, "small weights, no norm", {"norm": False, "small": True}),
    ):
        pair = build_pair("resnet50", **options)
        own = gradient_norms(pair.own, pair.sums, batch)
        twin = gradient_norms(pair.twin, pair.branches, batch)
        curves = ([math.log10(v / series[-1]) for v in series] for series in (own, twin))
        _log_chart(drawing, left, title, list(curves))
    drawing.text(
        360, 322, "sum 1 = next to the picture, 16 = next to the loss (norm there = 1)", size=13
    )
    return drawing


def _log_chart(drawing: Drawing, left: float, title: str, curves: list[list[float]]) -> None:
    low = min(-1, math.floor(min(map(min, curves))))
    high = max(1, math.ceil(max(map(max, curves))))
    top, bottom, width = 40.0, 270.0, 260.0

    def place(number: int, value: float) -> tuple[float, float]:
        return left + width * number / 15, bottom - (bottom - top) * (value - low) / (high - low)

    drawing.text(left + width / 2, 24, title)
    step = max(1, (high - low) // 5)
    for power in range(low, high + 1, step):
        _, y = place(0, power)
        drawing.line([(left, y), (left + width, y)], stroke=PALE, width=1)
        exponent = str(power).replace("-", "&#8722;")
        label = f'10<tspan dy="-5" font-size="9">{exponent}</tspan>' if power else "1"
        drawing.text(left - 6, y + 4, label, size=12, anchor="end")
    for number in (0, 5, 10, 15):
        drawing.text(place(number, low)[0], bottom + 20, str(number + 1), size=12)
    for values, colour, name in zip(curves, (OWN, TWIN), ("x + F(x)", "F(x)"), strict=True):
        points = [place(number, value) for number, value in enumerate(values)]
        drawing.line(points, stroke=colour, width=2.5)
        for x, y in points:
            drawing.dot(x, y, 2.5, colour)
        below = colour == OWN or values[0] < 0
        x, y = points[1 if below and values[0] > 0 else 4]
        drawing.text(x, y + (42 if below else -12), name, size=14, fill=colour, anchor="start")


def grid() -> Drawing:
    """A made-up photo of 448 pixels under YOLOv1's grid: boxes, centres, the cells that answer."""
    side, cells = 448, 7
    image, boxes = _photo(6, side)
    drawing = Drawing(side, side)
    drawing.photo(image, 0, 0, side)
    stride = side / cells
    owned = assign_cells(torch.from_numpy(boxes), (cells, cells), (stride, stride))
    for row, col in zip(owned.rows.tolist(), owned.cols.tolist(), strict=True):
        corner = (col * stride, row * stride)
        drawing.rect(
            (*corner, corner[0] + stride, corner[1] + stride), fill="rgba(255,213,79,0.45)"
        )
    for number in range(1, cells):
        drawing.line([(number * stride, 0), (number * stride, side)], stroke="white", width=1)
        drawing.line([(0, number * stride), (side, number * stride)], stroke="white", width=1)
    for box in boxes.tolist():
        drawing.rect(box, stroke=TWIN, width=2.5)
        drawing.dot((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 4, TWIN)
    return drawing


def nms() -> Drawing:
    """Five boxes round each of two objects, and what suppression leaves."""
    side = 300
    image, truth = _photo(4, side)
    truth = truth[np.argsort(-(truth[:, 2:] - truth[:, :2]).prod(1))][:2]
    rng = np.random.default_rng(1)
    boxes = np.repeat(truth, 5, axis=0) + rng.normal(0, 5, (10, 4)).astype(np.float32)
    scores = np.linspace(0.9, 0.4, 10, dtype=np.float32)[rng.permutation(10)]
    kept = class_aware_nms(boxes, scores, np.zeros(10, np.int64), 0.5, 10)
    drawing = Drawing(2 * side + 20, side)
    for left, shown in ((0, range(10)), (side + 20, kept.tolist())):
        drawing.photo(image, left, 0, side)
        for index in shown:
            x1, y1, x2, y2 = boxes[index].tolist()
            drawing.rect((left + x1, y1, left + x2, y2), stroke=GREEN if left else TWIN, width=2)
            if left:
                drawing.text(
                    left + x1 + 3, y1 - 5, f"{scores[index]:.2f}", fill=INK, anchor="start"
                )
    return drawing


def _photo(seed: int, side: int) -> tuple[Image.Image, np.ndarray]:
    """A made-up square photo and its boxes [N, 4], both at a size of ``side`` pixels."""
    scene = make_scene(np.random.default_rng(seed), (224, 224), 3, 0.3)
    xywh = np.array([visible_box(each.mask) for each in scene.instances], np.float32)
    boxes = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]) * (side / 224)
    return Image.fromarray(scene.image).resize((side, side)), boxes.astype(np.float32)


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="draw this one, e.g. grid")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (convolution, residual_block, residual_gradients, grid, nms):
        if options.only in (None, draw.__name__):
            draw().save(folder / f"{draw.__name__}.svg")


if __name__ == "__main__":
    main()
