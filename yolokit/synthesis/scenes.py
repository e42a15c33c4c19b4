"""What stands where in a made-up picture, and how moving shapes move.

Objects are placed nearest first, so that what is already taken hides what comes later. Those
that would be hidden almost wholly are not painted at all: everything in a picture is annotated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from yolokit.synthesis import painting
from yolokit.synthesis.painting import Pose, Sprite

_EMPTY_SHARE = 0.06  # pictures without any object
_NARROW_SHARE = 0.15  # pictures three quarters as wide; as many are three quarters as high
_MIN_VISIBLE = 0.4  # of an object's area; less is not painted
_MIN_VISIBLE_PX = 40  # pixels; less could not be told apart
_TRIES = 30  # random places tried for one object
_CROWD_SHARE = 0.3  # pictures with a crowd, at crowding 1
_CROWD_SIZES = (8, 16)
_CROWD_MIN_VISIBLE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One annotation of a scene: visible pixels [H, W] bool, class, and whether it is a crowd."""

    mask: NDArray[np.bool_]
    label: int
    crowd: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture [H, W, 3] uint8 RGB and what is annotated in it, nearest object first."""

    image: NDArray[np.uint8]
    instances: list[Instance]


def make_scene(rng: Generator, size_hw: tuple[int, int], classes: int, crowding: float) -> Scene:
    """One picture with its annotations; see ``synthesise`` for ``crowding``."""
    image_hw = _picture_hw(rng, size_hw)
    light = rng.uniform(0, 2 * math.pi)
    canvas = painting.paint_ground(rng, image_hw) * np.float32(rng.uniform(0.8, 1.15))
    layout = Layout(rng, image_hw, classes)
    if rng.random() >= _EMPTY_SHARE:
        layout.place_objects(crowding)
        if rng.random() < _CROWD_SHARE * crowding:
            layout.place_crowd()
    for sprite, pose in reversed(layout.painted):
        painting.paint_sprite(canvas, sprite, pose, light)
    image = painting.develop(rng, canvas, blur=rng.uniform(0.3, 0.9), grain=rng.uniform(2, 8))
    return Scene(image=image, instances=layout.instances)


class Layout:
    """Objects placed in a picture one behind the other, nearest first."""

    def __init__(self, rng: Generator, image_hw: tuple[int, int], classes: int) -> None:
        self.painted: list[tuple[Sprite, Pose]] = []
        self.instances: list[Instance] = []
        self._rng, self._image_hw, self._classes = rng, image_hw, classes
        self._taken = np.zeros(image_hw, dtype=np.bool_)

    def place_objects(self, crowding: float) -> None:
        """At least one object; how many, how small and how close depends on ``crowding``."""
        rng, side = self._rng, min(self._image_hw)
        may_overlap = rng.random() < crowding
        gap = rng.uniform(0.5, 0.9) if may_overlap else 1.05
        smallest = 0.1 - 0.06 * crowding
        for _ in range(int(rng.integers(1, 4 + round(9 * crowding)))):
            label = int(rng.integers(self._classes))
            sprite = painting.make_sprite(rng, label)
            for _ in range(_TRIES):
                radius = side * math.exp(rng.uniform(math.log(smallest), math.log(0.22)))
                pose = self._random_pose(radius)
                if self._keeps_distance(pose, gap):
                    visible = self._visible(sprite, pose, _MIN_VISIBLE)
                    if visible is not None:
                        self._add([(sprite, pose)], Instance(visible, label, crowd=False))
                        break

    def place_crowd(self) -> None:
        """A heap of small objects of one class, annotated as one region, behind all others."""
        rng, side = self._rng, min(self._image_hw)
        label = int(rng.integers(self._classes))
        centre = self._random_pose(side * 0.15)
        before, region = self._taken.copy(), np.zeros_like(self._taken)
        members = []
        for _ in range(int(rng.integers(*_CROWD_SIZES))):
            x, y = rng.normal((centre.x, centre.y), side * 0.08)
            pose = Pose(x, y, side * rng.uniform(0.035, 0.06), rng.uniform(0, 2 * math.pi))
            sprite = painting.make_sprite(rng, label)
            visible = self._visible(sprite, pose, _CROWD_MIN_VISIBLE)
            if visible is not None:
                members.append((sprite, pose))
                region |= visible
                self._taken |= visible
        self._taken = before
        if len(members) >= _CROWD_SIZES[0] // 2:
            self._add(members, Instance(region, label, crowd=True))

    def _add(self, members: list[tuple[Sprite, Pose]], instance: Instance) -> None:
        self.painted += members
        self.instances.append(instance)
        self._taken |= instance.mask

    def _random_pose(self, radius: float) -> Pose:
        height, width = self._image_hw
        inset = radius * 0.8  # a corner may leave the picture
        x = self._rng.uniform(inset, width - inset)
        y = self._rng.uniform(inset, height - inset)
        return Pose(x, y, radius, self._rng.uniform(0, 2 * math.pi))

    def _keeps_distance(self, pose: Pose, gap: float) -> bool:
        return all(
            math.hypot(pose.x - other.x, pose.y - other.y) >= gap * (pose.radius + other.radius)
            for _, other in self.painted
        )

    def _visible(self, sprite: Sprite, pose: Pose, share: float) -> NDArray[np.bool_] | None:
        """What can be seen of an object behind those already placed; None when too little."""
        mask = painting.covered(painting.shape_mask(sprite, pose, self._image_hw))
        visible: NDArray[np.bool_] = mask & ~self._taken
        enough = max(_MIN_VISIBLE_PX, share * painting.shape_area(sprite, pose))
        return visible if int(visible.sum()) >= enough else None


def _picture_hw(rng: Generator, size_hw: tuple[int, int]) -> tuple[int, int]:
    height, width = size_hw
    kind = rng.random()
    if kind < _NARROW_SHARE:
        return height, round(width * 0.75)
    return (round(height * 0.75), width) if kind < 2 * _NARROW_SHARE else (height, width)


@dataclass(frozen=True, slots=True)
class Course:
    """A straight course at even speed, pixels and radians a frame, from a starting pose."""

    start: Pose
    step_x: float
    step_y: float
    turn: float

    def at(self, frame: int, image_hw: tuple[int, int]) -> Pose:
        """The pose in a frame, bounced off the edges of a picture of this size."""
        start, inset = self.start, self.start.radius
        return Pose(
            x=_bounced(start.x + frame * self.step_x, inset, image_hw[1] - inset),
            y=_bounced(start.y + frame * self.step_y, inset, image_hw[0] - inset),
            radius=start.radius,
            angle=start.angle + frame * self.turn,
        )


def random_course(rng: Generator, image_hw: tuple[int, int]) -> Course:
    """A course through a picture of this size, for a large object."""
    side = min(image_hw)
    x, y = (rng.uniform(0.2, 0.8) * length for length in image_hw[::-1])
    pose = Pose(x, y, side * rng.uniform(0.11, 0.2), rng.uniform(0, 2 * math.pi))
    step_x, step_y = rng.uniform(0.006, 0.015, 2) * side * rng.choice([-1, 1], 2)
    return Course(pose, float(step_x), float(step_y), rng.uniform(-0.05, 0.05))


def _bounced(position: float, low: float, high: float) -> float:
    """The position after reflecting at both ends of [low, high]."""
    span = high - low
    away = (position - low) % (2 * span)
    return low + (away if away <= span else 2 * span - away)
