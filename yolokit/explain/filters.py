"""What a convolution looks for: its kernels as pictures.

Shape legend: O kernels of I channels, k × k weights.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from yolokit.drawing import tile
from yolokit.errors import ConfigError
from yolokit.explain.layers import described, shown_name
from yolokit.explain.sheet import Figure, Sheet
from yolokit.models.detector import Detector

_MOST = 256  # kernels that are shown
_TILE_PX = 64  # about, a side
_SHEET_PX = 1100  # about, across
_COLOUR = (
    "Each square is one of the {count} kernels of {name} ({kind}), as the picture that it answers "
    "to most: red, green and blue weights as they are. Every kernel is scaled by its own largest "
    "weight; mid-grey is weight 0, lighter is positive, darker negative. Stripes answer to edges "
    "of their direction, spots of a colour to that colour."
)
_GREY = (
    "Each square is one of the {count} kernels of {name} ({kind}){mean}. Every kernel is scaled by "
    "its own largest value; mid-grey is 0, lighter is positive, darker negative."
)
_MEAN = ", the mean over its {channels} input channels"


def filters_sheet(detector: Detector, layer: str | None = None) -> Sheet:
    """The kernels of a convolution.

    Args:
        detector: not changed.
        layer: its name as ``explain model --layers`` has it, or of a block whose first one is
            meant; None for the first of all.

    Raises:
        ConfigError: no such layer, or one whose kernels have no extent.
    """
    name, convolution = find_convolution(detector, layer)
    weights = convolution.weight.detach().float().cpu().numpy()  # [O, I, k, k]
    if max(weights.shape[2:]) == 1:
        raise ConfigError(
            f"the kernels of {name} are 1x1: there is nothing to see. "
            f"Try {', '.join(_with_extent(detector)[:3])}"
        )
    norms = np.abs(weights).sum((1, 2, 3))
    shown = np.sort(np.argsort(-norms, kind="stable")[:_MOST])
    kind, channels = described(convolution), weights.shape[1]
    text = _COLOUR if channels == 3 else _GREY
    mean = _MEAN.format(channels=channels) if channels > 1 else ""
    caption = f"{name}: {len(weights)} kernels"
    if len(shown) < len(weights):
        caption += f", the {len(shown)} with the largest weights"
    return Sheet(
        title="What a convolution looks for",
        lead=text.format(count=len(weights), name=name, kind=kind, mean=mean),
        figures=[Figure(kernel_tiles(weights[shown]), caption)],
        numbers={"layer": name, "kind": kind, "kernels": shown.tolist()},
    )


def find_convolution(detector: Detector, layer: str | None) -> tuple[str, nn.Conv2d]:
    """A convolution by its name, or that of a block around it.

    Raises:
        ConfigError: there is none, naming the nearest.
    """
    found = convolutions(detector)
    if layer is None:
        return next(iter(found.items()))
    inside = [name for name in found if name == layer or name.startswith(f"{layer}.")]
    if inside:
        return inside[0], found[inside[0]]
    parts = [name.split(".") for name in found]
    blocks = {".".join(each[:count]) for each in parts for count in range(1, len(each))}
    near = difflib.get_close_matches(layer, [*found, *blocks], n=3, cutoff=0.3)
    raise ConfigError(
        f"no convolution {layer!r} in this model, nearest: {', '.join(near or list(found)[:3])}. "
        "`yolokit explain model MODEL --layers` lists all"
    )


def convolutions(detector: Detector) -> dict[str, nn.Conv2d]:
    """All of them by name, in the order in which a picture meets them."""
    return {
        shown_name(path): module
        for path, module in detector.named_modules()
        if isinstance(module, nn.Conv2d)
    }


def _with_extent(detector: Detector) -> list[str]:
    return [name for name, each in convolutions(detector).items() if max(each.weight.shape[2:]) > 1]


def kernel_tiles(weights: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Kernels [O, I, k, k] side by side, in colour where I is 3."""
    if weights.shape[1] != 3:
        weights = weights.mean(1, keepdims=True)
    most = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + 0.5 * weights / np.where(most > 0, most, 1.0)
    pixels = np.round(255 * scaled).astype(np.uint8).transpose(0, 2, 3, 1)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    zoom = max(1, _TILE_PX // max(weights.shape[2:]))
    tiles: Sequence[NDArray[np.uint8]] = [
        np.ascontiguousarray(each.repeat(zoom, 0).repeat(zoom, 1)) for each in pixels
    ]
    return tile(tiles, columns=max(1, _SHEET_PX // (tiles[0].shape[1] + 4)))
