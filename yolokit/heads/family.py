"""What a head is to all other rooms, and which heads there are.

A head is a folder ``heads/NAME`` and its name in ``HEADS``. The folder holds ``config.py`` with the
head's section of a configuration, ``CONFIG``, and ``family.py`` with the class ``FAMILY`` that
answers all that others ask of a head. Neither imports torch before a network is wanted: a
configuration is read, checked and written without it.

Shape legend: T boxes of one picture; N boxes that a head decodes of one picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from yolokit.sections import Section
from yolokit.types import LevelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yolokit.types import DecodedBoxes, GridOutput, Truth

HEADS = ("yolov1", "yolo")  # one folder each; the first is the default


class HeadConfig(Section):
    """``model.head`` of a configuration: one head's settings, its loss among them."""

    type: str
    loss: Section


class Head(Protocol):
    """What a detector asks of its head (an ``nn.Module``)."""

    def __call__(self, features: list[Tensor], image_hw: tuple[int, int]) -> list[GridOutput]: ...

    def decode(self, outputs: list[GridOutput]) -> DecodedBoxes: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PictureCeiling:
    """The best that a head can predict for each box of one picture, all at once.

    Args:
        boxes: [T, 4] float32 xyxy input pixels, predicted.
        overlaps: [T] float32, IoU of that and the truth; 0 where nothing can be predicted.
        contested: [T] bool, every cell that could predict it well is taken by another box.
        out_of_reach: [T] bool, predicted too small: a side is farther than the code reaches.
        off_centre: [T] bool, predicted too large: the box holds no cell's centre.
        narrow: [T] bool, narrower than the head's finest cell is good for.
    """

    boxes: NDArray[np.float32]
    overlaps: NDArray[np.float32]
    contested: NDArray[np.bool_]
    out_of_reach: NDArray[np.bool_]
    off_centre: NDArray[np.bool_]
    narrow: NDArray[np.bool_]


class CellPlaces(NamedTuple):
    """The cell that each decoded box comes from, in the order of ``decode``.

    Args:
        levels: [N] int64 index of its level in the head's outputs.
        rows, cols: [N] int64 of the cell in that level.
        predictors: [N] int64, which of the cell's boxes it is.
    """

    levels: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    predictors: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """What the loss asks of each decoded box of one picture, in the order of ``decode``.

    Args:
        truths: [N] int64 index of the truth that the box answers for; -1 for none.
        wanted: [N] float32, the score, or confidence, that it should have.
        terms: name of a loss term -> [N] float32, the box's share of it. A term's sum is what the
            criterion gives for the picture alone.
    """

    truths: NDArray[np.int64]
    wanted: NDArray[np.float32]
    terms: dict[str, NDArray[np.float32]]


class HeadFamily(Protocol):
    """A head as configured, for everybody who does not know which one it is."""

    @property
    def grids(self) -> str:
        """Its cells in a few words: ``7x7 cells``, ``cells of 8, 16, 32 px``."""

    @property
    def own_grid(self) -> int | None:
        """Cells along each side of its one square grid, or None for cells of fixed pixels."""

    @property
    def input_multiple(self) -> int:
        """Pixels that the sides of its input should be multiples of."""

    @property
    def rectangular(self) -> bool:
        """Whether ``data.rectangular: auto`` cuts its input to the shape of the pictures."""

    def finest_cell(self, image_hw: tuple[int, int]) -> float:
        """The shorter side of a cell of the finest grid, input pixels."""

    def build(
        self, levels: Sequence[LevelSpec], *, num_classes: int, image_hw: tuple[int, int]
    ) -> tuple[nn.Module, Head]:
        """Its neck and head with random weights.

        Args:
            levels: of the backbone, shallow to deep.
            num_classes: C, at least 1.
            image_hw: the network input's (height, width) in pixels.

        Raises:
            ConfigError: settings that these levels cannot serve.
        """

    def criterion(self) -> nn.Module:
        """``(outputs, truths) -> {name: weighted loss term}``."""

    def places(self, outputs: Sequence[GridOutput]) -> CellPlaces:
        """Which cell each box comes from that the head decodes of these outputs."""

    def raw_score(self, outputs: Sequence[GridOutput], box: int, label: int) -> Tensor:
        """What becomes the score of a decoded box of the first picture, before it is squashed.

        Args:
            outputs: of a batch.
            box: its place in the order of ``decode``.
            label: the class.

        Returns:
            A scalar, through which gradients flow wherever the score lies.
        """

    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        """What the criterion asks of each decoded box.

        Args:
            outputs: of one picture.
            truth: its boxes.
        """

    def ceiling(self, boxes: NDArray[np.float32], image_hw: tuple[int, int]) -> PictureCeiling:
        """What it can predict at best for boxes [T, 4] of one picture, xyxy input pixels."""

    def finer(self, lost: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
        """Changes of its own settings that could win back what its ceiling loses.

        Args:
            lost: cause -> whether it costs any box; the causes of ``PictureCeiling``, and
                ``vanished`` for boxes without area in the input.
        """


def family_of(config: HeadConfig) -> HeadFamily:
    """The family of a configured head."""
    family: HeadFamily = _part(config.type, "family").FAMILY(config)
    return family


def config_class(name: str) -> type[HeadConfig]:
    """The section of the head of that name, one of ``HEADS``."""
    kind: type[HeadConfig] = _part(name, "config").CONFIG
    return kind


def read_head(value: Any) -> HeadConfig:
    """``model.head`` from plain values; a bare name is that head with its defaults.

    Raises:
        ValueError: no such head, or (pydantic's) settings it does not have.
    """
    if isinstance(value, HeadConfig):
        return value
    tree = {"type": value} if isinstance(value, str) else value
    if not isinstance(tree, Mapping):
        raise ValueError("expected the name of a head, or {type: NAME, …}")
    name = tree.get("type", HEADS[0])
    if name not in HEADS:
        raise ValueError(f"the type must be one of {', '.join(HEADS)}, got {name!r}")
    return config_class(name).model_validate({**tree, "type": name})


def _part(name: str, part: str) -> Any:
    return import_module(f"yolokit.heads.{name}.{part}")
