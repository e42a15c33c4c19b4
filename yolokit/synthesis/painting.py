"""Pictures of textured, lit shapes on photographic grounds, painted with NumPy and OpenCV.

Shape legend: H, W canvas height and width; T texture side; P points of an outline.
A canvas is [H, W, 3] float32 RGB, 0..1; x points right, y down; angles in radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_TEXTURE_PX = 96
_SHIFT = 4  # cv2 draws polygons on a grid of 1/16 pixel
_OPAQUE = 128  # of 255: from here on a pixel belongs to the object
_COLOUR_SPREAD = 0.05  # of the colour wheel: how far an object's hue strays from its class's


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """One object: outline rings [P, 2] in units of its radius, texture [T, T, 3] float32 0..1."""

    rings: list[FloatArray]
    texture: FloatArray


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an object lies: centre and radius in canvas pixels, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float


def class_names() -> list[str]:
    """The shapes that can be painted, simplest first."""
    return list(_OUTLINES)


def make_sprite(rng: Generator, label: int) -> Sprite:
    """An object of a class: its outline, and a texture in a colour near the class's own."""
    outline = _OUTLINES[class_names()[label]]
    hue = (0.02 + label * 0.381966 + rng.uniform(-1, 1) * _COLOUR_SPREAD) % 1  # golden angle
    base = _rgb(hue, rng.uniform(0.5, 0.95), rng.uniform(0.6, 0.95))
    other = _rgb(hue + rng.uniform(-0.06, 0.06), rng.uniform(0.3, 0.8), rng.uniform(0.4, 1))
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))](rng) * rng.uniform(0.25, 0.8)
    texture = base + (other - base) * pattern[..., None]
    mottle = _noise(rng, (_TEXTURE_PX, _TEXTURE_PX), (12, 12))
    return Sprite(rings=outline(), texture=texture * (0.85 + 0.3 * mottle[..., None]))


def paint_ground(rng: Generator, image_hw: tuple[int, int]) -> FloatArray:
    """A canvas: mottled or grained, in two muted colours, unevenly lit, with some clutter."""
    stretch = math.exp(rng.uniform(-1.6, 1.6))  # strong: wood, cloth; weak: stone, soil
    field = sum(
        (
            weight * _noise(rng, image_hw, (round(n * stretch) + 1, round(n / stretch) + 1))
            for n, weight in ((3, 0.5), (9, 0.3), (30, 0.2))
        ),
        start=np.zeros(image_hw, dtype=np.float32),
    )
    hue, value = rng.random(), rng.uniform(0.3, 0.75)
    dark = _rgb(hue, rng.uniform(0.05, 0.4), value)
    light = _rgb(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.05, 0.3), min(1.0, value + 0.25))
    canvas = dark + (light - dark) * (field * 1.6 - 0.3)[..., None]
    for _ in range(int(rng.integers(0, 6))):
        _paint_stroke(rng, canvas)
    return canvas * _lighting(rng, image_hw)[..., None]


def shape_mask(sprite: Sprite, pose: Pose, image_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """How much of each pixel the object covers: [H, W] uint8, 0..255; may leave the canvas."""
    mask = np.zeros(image_hw, dtype=np.uint8)
    rings = [_placed(ring, pose) for ring in sprite.rings]
    cv2.fillPoly(mask, rings, 255, cv2.LINE_AA, _SHIFT)
    return mask


def shape_area(sprite: Sprite, pose: Pose) -> float:
    """The object's area in pixels, holes left out, wherever it lies."""
    outer, *holes = (float(cv2.contourArea(ring)) for ring in sprite.rings)
    return (outer - sum(holes)) * pose.radius**2


def covered(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels that belong to the object rather than to what is behind it."""
    return mask >= _OPAQUE


def paint_sprite(canvas: FloatArray, sprite: Sprite, pose: Pose, light: float) -> None:
    """Paint an object and its shadow onto the canvas, in place.

    Args:
        light: the direction the light comes from, radians.
    """
    window, local = _window(pose, canvas.shape[:2])
    view = canvas[window]
    if view.size == 0:
        return
    mask = shape_mask(sprite, local, view.shape[:2])
    lit_x, lit_y = math.cos(light), math.sin(light)
    blur = max(1.0, pose.radius * 0.09)
    soft = cv2.GaussianBlur(mask, (0, 0), blur).astype(np.float32) / 255
    reach = pose.radius * 0.12
    shift = np.array([[1, 0, -lit_x * reach], [0, 1, -lit_y * reach]], dtype=np.float32)
    view *= 1 - 0.5 * cv2.warpAffine(soft, shift, soft.shape[::-1])[..., None]
    slope = lit_x * cv2.Sobel(soft, -1, 1, 0) + lit_y * cv2.Sobel(soft, -1, 0, 1)
    y, x = np.ogrid[: view.shape[0], : view.shape[1]]
    facing = ((x - local.x) * lit_x + (y - local.y) * lit_y) / pose.radius
    shade = 0.95 + 0.22 * facing - slope * blur * 0.22
    colour = _placed_texture(sprite, local, view.shape[:2]) * shade.astype(np.float32)[..., None]
    alpha = (mask.astype(np.float32) / 255)[..., None]
    view += (colour - view) * alpha


def develop(rng: Generator, canvas: FloatArray, *, blur: float, grain: float) -> NDArray[np.uint8]:
    """The canvas as a camera would give it: ``blur`` px soft, with ``grain`` of 255 noise."""
    image = cv2.GaussianBlur(canvas, (0, 0), blur)
    image *= 255
    noise = rng.standard_normal(canvas.shape[:2], dtype=np.float32) * np.float32(grain)
    return _uint8(np.clip(image + noise[..., None], 0, 255))


def _window(pose: Pose, image_hw: tuple[int, ...]) -> tuple[tuple[slice, slice], Pose]:
    """The part of the canvas an object and its shadow reach, and its pose in that part."""
    reach = pose.radius * 1.45 + 3
    x1, y1 = max(0, math.floor(pose.x - reach)), max(0, math.floor(pose.y - reach))
    x2 = max(x1, min(image_hw[1], math.ceil(pose.x + reach)))
    y2 = max(y1, min(image_hw[0], math.ceil(pose.y + reach)))
    local = Pose(pose.x - x1, pose.y - y1, pose.radius, pose.angle)
    return (slice(y1, y2), slice(x1, x2)), local


def _placed(ring: FloatArray, pose: Pose) -> NDArray[np.int32]:
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    turned: NDArray[Any] = ring @ np.array([[cos, sin], [-sin, cos]])
    points = turned * pose.radius + (pose.x, pose.y)
    return _fixed_point(points)


def _fixed_point(points: NDArray[Any]) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.round(points * (1 << _SHIFT)).astype(np.int32)
    return fixed


def _placed_texture(sprite: Sprite, pose: Pose, image_hw: tuple[int, ...]) -> FloatArray:
    cos = math.cos(pose.angle) * pose.radius * 2 / _TEXTURE_PX
    sin = math.sin(pose.angle) * pose.radius * 2 / _TEXTURE_PX
    half = _TEXTURE_PX / 2
    x, y = pose.x - (cos - sin) * half, pose.y - (sin + cos) * half
    matrix = np.array([[cos, -sin, x], [sin, cos, y]], dtype=np.float32)
    size = (image_hw[1], image_hw[0])
    placed = cv2.warpAffine(
        sprite.texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return _float32(placed)


def _paint_stroke(rng: Generator, canvas: FloatArray) -> None:
    """A twig, crack or cable: a soft curve a little darker or lighter than the ground."""
    height, width = canvas.shape[:2]
    knots = rng.uniform(-0.1, 1.1, (3, 2)) * (width, height)
    t = np.linspace(0, 1, 24)[:, None]
    curve = (1 - t) ** 2 * knots[0] + 2 * t * (1 - t) * knots[1] + t**2 * knots[2]
    mask = np.zeros((height, width), dtype=np.uint8)
    thickness = int(rng.integers(1, max(2, min(height, width) // 40) + 1))
    cv2.polylines(mask, [_fixed_point(curve)], False, 255, thickness, cv2.LINE_AA, _SHIFT)
    canvas *= 1 + (mask.astype(np.float32) / 255 * rng.uniform(-0.35, 0.2))[..., None]


def _lighting(rng: Generator, image_hw: tuple[int, int]) -> FloatArray:
    """Brightness falling off from a lamp somewhere near the picture, [H, W] around 1."""
    lamp_x, lamp_y = rng.uniform(-0.3, 1.3, 2)
    y, x = np.ogrid[0 : 1 : image_hw[0] * 1j, 0 : 1 : image_hw[1] * 1j]
    distance = (x - lamp_x) ** 2 + (y - lamp_y) ** 2
    return _float32(1.15 - rng.uniform(0.1, 0.35) * distance)


def _noise(rng: Generator, image_hw: tuple[int, int], cells: tuple[int, int]) -> FloatArray:
    """Smooth random field [H, W], 0..1, with about so many bumps down and across."""
    grid = rng.random(cells, dtype=np.float32)
    field = cv2.resize(grid, image_hw[::-1], interpolation=cv2.INTER_CUBIC)
    return _float32(np.clip(field, 0, 1))


def _rgb(hue: float, saturation: float, value: float) -> FloatArray:
    """HSV to RGB, hue in turns, the others 0..1."""
    ramp = np.abs((np.array([0, 4, 2]) + hue * 6) % 6 - 3) - 1
    return _float32(value * (1 - saturation * (1 - np.clip(ramp, 0, 1))))


def _float32(values: NDArray[Any]) -> FloatArray:
    narrowed: FloatArray = values.astype(np.float32, copy=False)
    return narrowed


def _mottled(rng: Generator) -> FloatArray:
    return _noise(rng, (_TEXTURE_PX, _TEXTURE_PX), (6, 6))


def _striped(rng: Generator) -> FloatArray:
    x = np.linspace(0, rng.uniform(3, 8) * 2 * math.pi, _TEXTURE_PX, dtype=np.float32)
    return _float32(np.tile(0.5 + 0.5 * np.sin(x), (_TEXTURE_PX, 1)))


def _dotted(rng: Generator) -> FloatArray:
    x = np.linspace(0, rng.uniform(2, 5) * 2 * math.pi, _TEXTURE_PX, dtype=np.float32)
    return _float32(np.clip(np.outer(np.sin(x), np.sin(x)) * 3, 0, 1))


def _graded(rng: Generator) -> FloatArray:
    ramp = np.linspace(0, 1, _TEXTURE_PX, dtype=np.float32)
    return _float32(np.tile(ramp, (_TEXTURE_PX, 1)))


_PATTERNS: tuple[Callable[[Generator], FloatArray], ...] = (_mottled, _striped, _dotted, _graded)


def _uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    narrowed: NDArray[np.uint8] = values.astype(np.uint8)
    return narrowed


def _polar(radii: list[float], start: float = -math.pi / 2) -> FloatArray:
    """A ring of points at even angles; y down, so the first one points up."""
    angles = start + np.arange(len(radii)) * 2 * math.pi / len(radii)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array(radii)[:, None]
    return _float32(points)


def _points(*pairs: tuple[float, float]) -> FloatArray:
    return np.array(pairs, dtype=np.float32)


def _cross() -> FloatArray:
    a, b = 0.3, 0.95
    quarter = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a)]
    return _points(*quarter, *[(-x, -y) for x, y in quarter])


def _crescent() -> FloatArray:
    outer = _polar([1.0] * 64)
    hollow = outer * 0.8 + (0.45, 0)
    kept = [p for p in outer if np.hypot(p[0] - 0.45, p[1]) >= 0.8]
    rim = [p for p in hollow[::-1] if np.hypot(p[0], p[1]) < 1]
    ends = sorted(kept, key=lambda p: math.atan2(p[1], p[0]) % (2 * math.pi))
    return np.array([*ends, *sorted(rim, key=lambda p: float(p[1]))], dtype=np.float32)


_OUTLINES: dict[str, Callable[[], list[FloatArray]]] = {
    "disc": lambda: [_polar([1.0] * 48)],
    "square": lambda: [_polar([1.0] * 4)],
    "triangle": lambda: [_polar([1.0] * 3)],
    "star": lambda: [_polar([1.0, 0.45] * 5)],
    "cross": lambda: [_cross()],
    "ring": lambda: [_polar([1.0] * 48), _polar([0.55] * 48)],
    "bar": lambda: [_points((-0.96, -0.27), (0.96, -0.27), (0.96, 0.27), (-0.96, 0.27))],
    "crescent": lambda: [_crescent()],
    "hexagon": lambda: [_polar([1.0] * 6)],
    "arrow": lambda: [
        _points(
            (0, -1), (0.7, -0.2), (0.28, -0.2), (0.28, 0.95), (-0.28, 0.95), (-0.28, -0.2),
            (-0.7, -0.2),
        )
    ],
}  # fmt: skip
