"""The ``yolov1`` head for everybody who does not know which head there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolokit.heads.family import Head, HeadFamily, PictureCeiling
from yolokit.heads.yolov1.config import YoloV1Config
from yolokit.types import LevelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yolokit.heads.family import Answers, CellPlaces
    from yolokit.types import GridOutput, Truth

_FINEST_GRID = 64  # cells a side: the most that a config may ask for


class YoloV1Family:
    """The ``yolov1`` head; see ``HeadFamily``."""

    input_multiple = 1  # any input is brought to S × S cells
    rectangular = False

    def __init__(self, config: YoloV1Config) -> None:
        self.config = config

    @property
    def grids(self) -> str:
        """``7x7 cells``."""
        return f"{self.config.grid_size}x{self.config.grid_size} cells"

    @property
    def own_grid(self) -> int:
        """S."""
        return self.config.grid_size

    def finest_cell(self, image_hw: tuple[int, int]) -> float:
        """A share of the input."""
        return min(image_hw) / self.config.grid_size

    def build(
        self, levels: Sequence[LevelSpec], *, num_classes: int, image_hw: tuple[int, int]
    ) -> tuple[nn.Module, Head]:
        """No neck; the head takes the backbone's levels as they are."""
        from torch import nn

        from yolokit.heads.yolov1.head import YoloV1Head

        config = self.config
        head = YoloV1Head(
            levels,
            num_classes=num_classes,
            grid_size=config.grid_size,
            boxes_per_cell=config.boxes_per_cell,
            channels=config.channels,
            image_hw=image_hw,
            fully_connected=config.variant == "fc",
            dropout=config.dropout,
        )
        return nn.Identity(), head

    def criterion(self) -> nn.Module:
        """The paper's squared errors."""
        from yolokit.heads.yolov1.loss import YoloV1Loss

        return YoloV1Loss(self.config.loss)

    def places(self, outputs: Sequence[GridOutput]) -> CellPlaces:
        """Cell after cell of the one grid, A boxes each."""
        from yolokit.heads.cells import places_in

        return places_in(dict(enumerate(outputs)))

    def raw_score(self, outputs: Sequence[GridOutput], box: int, label: int) -> Tensor:
        """Class × confidence, neither clamped."""
        from yolokit.heads.yolov1.codec import raw_scores

        return raw_scores(outputs[0])[0].flatten(0, 2)[box, label]

    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        """By the criterion: in each cell that a truth owns, the responsible box."""
        from yolokit.heads.yolov1.loss import YoloV1Loss

        return YoloV1Loss(self.config.loss).answers(outputs, truth)

    def ceiling(self, boxes: NDArray[np.float32], image_hw: tuple[int, int]) -> PictureCeiling:
        """In each cell the first box in order, exactly."""
        from yolokit.heads.yolov1.ceiling import yolov1_ceiling

        return yolov1_ceiling(boxes, grid_size=self.config.grid_size, image_hw=image_hw)

    def finer(self, lost: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
        """Twice the cells where boxes share one."""
        if lost["contested"] and 2 * self.config.grid_size <= _FINEST_GRID:
            yield {"grid_size": 2 * self.config.grid_size}


FAMILY: type[HeadFamily] = YoloV1Family
