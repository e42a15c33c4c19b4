"""The ``yolo`` head for everybody who does not know which head there is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ConfigError
from yolokit.heads.family import Head, HeadFamily, PictureCeiling
from yolokit.heads.yolo.config import YoloConfig
from yolokit.types import LevelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yolokit.heads.family import Answers, CellPlaces
    from yolokit.types import GridOutput, Truth

_FINEST_STRIDE, _COARSEST_STRIDE = 4, 128  # px, that are worth trying


class YoloFamily:
    """The ``yolo`` head; see ``HeadFamily``."""

    own_grid = None
    rectangular = True

    def __init__(self, config: YoloConfig) -> None:
        self.config = config

    @property
    def grids(self) -> str:
        """``cells of 8, 16, 32 px``."""
        return f"cells of {', '.join(map(str, self.config.strides))} px"

    @property
    def input_multiple(self) -> int:
        """All strides divide it."""
        return math.lcm(*self.config.strides)

    def finest_cell(self, image_hw: tuple[int, int]) -> float:
        """The finest stride, whatever the input."""
        return min(self.config.strides)

    def build(
        self, levels: Sequence[LevelSpec], *, num_classes: int, image_hw: tuple[int, int]
    ) -> tuple[nn.Module, Head]:
        """A neck of the configured strides, and two towers a level."""
        from yolokit.heads.yolo.head import YoloHead
        from yolokit.heads.yolo.neck import PanNeck

        config = self.config
        try:
            neck = PanNeck(
                levels, strides=config.strides, width=config.width, separable=config.separable
            )
        except ValueError as error:
            raise ConfigError(f"model.head.strides: {error}") from error
        head = YoloHead(
            neck.levels,
            num_classes=num_classes,
            bins=config.bins,
            depth=config.tower_depth,
            separable=config.separable,
            image_hw=image_hw,
            one_to_one=config.one_to_one,
        )
        return neck, head

    def criterion(self) -> nn.Module:
        """Class scores that learn the IoU, CIoU and focal distributions."""
        from yolokit.heads.yolo.loss import YoloLoss

        return YoloLoss(self.config.loss)

    def places(self, outputs: Sequence[GridOutput]) -> CellPlaces:
        """Level after level, of the branch that detects; a cell has one box."""
        from yolokit.heads.cells import places_in
        from yolokit.heads.yolo.codec import detecting

        return places_in(detecting(outputs))

    def raw_score(self, outputs: Sequence[GridOutput], box: int, label: int) -> Tensor:
        """The class logit."""
        from yolokit.heads.yolo.codec import detecting, flatten_levels

        logits, _ = flatten_levels(list(detecting(outputs).values()))
        return logits[0, box, label]

    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        """By the assigner and the criterion; of the branch that detects."""
        from yolokit.heads.yolo.loss import YoloLoss

        return YoloLoss(self.config.loss).answers(outputs, truth)

    def ceiling(self, boxes: NDArray[np.float32], image_hw: tuple[int, int]) -> PictureCeiling:
        """By the training's rule which cells may serve a box, and in the head's own code."""
        from yolokit.heads.yolo.ceiling import yolo_ceiling

        return yolo_ceiling(
            boxes, strides=self.config.strides, bins=self.config.bins, image_hw=image_hw
        )

    def finer(self, lost: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
        """A deeper grid for boxes beyond reach, a finer one for small or crowded boxes."""
        strides = self.config.strides
        if lost["out_of_reach"] and 2 * strides[-1] <= _COARSEST_STRIDE:
            yield {"strides": (*strides, 2 * strides[-1])}
        small = lost["contested"] or lost["off_centre"] or lost["vanished"]
        if small and strides[0] // 2 >= _FINEST_STRIDE:
            yield {"strides": (strides[0] // 2, *strides)}


FAMILY: type[HeadFamily] = YoloFamily
