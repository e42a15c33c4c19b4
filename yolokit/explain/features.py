"""What the backbone makes of a picture, level by level: its strongest feature maps.

Shape legend: C channels, h × w cells of a level inside the picture.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from yolokit.drawing import tile
from yolokit.explain.canvas import Canvas
from yolokit.explain.heat import coloured, scale_bar
from yolokit.explain.layers import shown_name, trunk_block
from yolokit.explain.seen import Seen, as_batch
from yolokit.explain.sheet import Figure, Sheet
from yolokit.models.detector import Detector

_CHANNELS = 7  # of a level that are shown, beside the picture
_TILE_PX = 176  # longer side
_LEAD = (
    "Each row is a level of the backbone, from fine cells to coarse ones; its first square is the "
    "picture, the others are the {count} channels whose values vary most over the picture (the "
    "largest standard deviation), strongest first. Each channel has its own scale, from its lowest "
    "value (dark) to its highest (yellow). Early levels answer to edges and colours, middle ones "
    "to textures, deep ones to parts and whole things."
)


def features_sheet(detector: Detector, seen: Seen) -> Sheet:
    """The strongest channels of each level of the backbone.

    Args:
        detector: in evaluation mode.
        seen: a picture.
    """
    with torch.no_grad():
        maps = detector.backbone(detector.normalise(as_batch(detector, seen.prepared)))
    canvas = Canvas.of(seen, _TILE_PX)
    figures, numbers = [], []
    for level, name, values in zip(
        detector.backbone.levels, level_names(detector), maps, strict=True
    ):
        cells = values[0].float().cpu().numpy()
        inside = cells_inside(cells, seen, level.stride)
        chosen = strongest(inside, _CHANNELS)
        drawn = (_tile(cells[each], inside[each], level.stride, canvas) for each in chosen)
        tiles = [canvas.pixels, *drawn]
        caption = (
            f"{name}: a cell every {level.stride} px, {level.channels} channels; shown: "
            f"{', '.join(map(str, chosen))}"
        )
        figures.append(Figure(tile(tiles, columns=len(tiles)), caption))
        deviations = [float(inside[each].std()) for each in chosen]
        numbers.append(
            {"level": name, "stride": level.stride, "channels": chosen, "deviation": deviations}
        )
    figures.append(Figure(scale_bar("lowest of the channel", "highest"), ""))
    return Sheet(
        title="What the backbone makes of the picture",
        lead=_LEAD.format(count=_CHANNELS),
        figures=figures,
        numbers={"levels": numbers},
    )


def level_names(detector: Detector) -> list[str]:
    """The block that each level comes from, where the backbone is traced; else its stride."""
    backbone = detector.backbone
    names = [f"stride {level.stride}" for level in backbone.levels]
    if not isinstance(backbone.trunk, fx.GraphModule):
        return names
    output = next(node for node in backbone.trunk.graph.nodes if node.op == "output")
    nodes = list(output.args[0])
    for index, node in enumerate(nodes):
        path = str(node.target) if node.op == "call_module" else str(node.meta.get("path", ""))
        block = trunk_block(backbone.kinds, path)
        names[index] = names[index] if block is None else shown_name(block)
    return names


def cells_inside(values: NDArray[np.floating], seen: Seen, stride: int) -> NDArray[np.floating]:
    """The cells [C, h, w] of a map that lie over the picture, not over its padding."""
    left, top, right, bottom = (edge / stride for edge in seen.frame)
    rows = slice(math.floor(top), max(math.ceil(bottom), math.floor(top) + 1))
    cols = slice(math.floor(left), max(math.ceil(right), math.floor(left) + 1))
    return values[:, rows, cols]


def strongest(values: NDArray[np.floating], count: int) -> list[int]:
    """The channels [C, h, w] of the largest standard deviation, best first."""
    deviations = values.reshape(len(values), -1).std(1)
    order: list[int] = np.argsort(-deviations, kind="stable")[:count].tolist()
    return order


def _tile(
    values: NDArray[np.floating], inside: NDArray[np.floating], stride: int, canvas: Canvas
) -> NDArray[np.uint8]:
    """A whole map [h, w] over the picture, coloured by the range of its cells inside it."""
    low, high = float(inside.min()), float(inside.max())
    shares = (values - low) / (high - low if high > low else 1.0)
    return coloured(canvas.spread(shares.clip(0, 1), stride, smooth=False))
