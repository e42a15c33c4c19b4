"""The toy head for everybody who does not know which head there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolokit.heads.family import Head, HeadConfig, HeadFamily, PictureCeiling
from yolokit.types import LevelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yolokit.heads.family import Answers, CellPlaces
    from yolokit.types import GridOutput, Truth


class ToyFamily:
    """See ``HeadFamily``."""

    own_grid = None
    input_multiple = 1
    rectangular = False

    def __init__(self, config: HeadConfig) -> None:
        self.cells: int = config.model_dump()["cells"]

    @property
    def grids(self) -> str:
        return f"{self.cells}x{self.cells} toy cells"

    def finest_cell(self, image_hw: tuple[int, int]) -> float:
        return min(image_hw) / self.cells

    def build(
        self, levels: Sequence[LevelSpec], *, num_classes: int, image_hw: tuple[int, int]
    ) -> tuple[nn.Module, Head]:
        from torch import nn
        from yolokit.heads.toy.head import ToyHead

        return nn.Identity(), ToyHead(levels[-1].channels, num_classes, self.cells)

    def criterion(self) -> nn.Module:
        from yolokit.heads.toy.head import ToyLoss

        loss: nn.Module = ToyLoss()
        return loss

    def places(self, outputs: Sequence[GridOutput]) -> CellPlaces:
        from yolokit.heads.cells import places_in

        return places_in(dict(enumerate(outputs)))

    def raw_score(self, outputs: Sequence[GridOutput], box: int, label: int) -> Tensor:
        return outputs[0].classes[0].flatten(0, 1)[box, label]

    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        classes, codes = outputs[0].classes, outputs[0].box_codes
        share = classes.square().mean(-1) / self.cells**2
        share = share + codes.square().mean((-1, -2)) / self.cells**2
        nothing = np.zeros(self.cells**2)
        return Answers(
            truths=np.full(self.cells**2, -1),
            wanted=nothing.astype(np.float32),
            terms={"distance": share.detach().flatten().numpy()},
        )

    def ceiling(self, boxes: NDArray[np.float32], image_hw: tuple[int, int]) -> PictureCeiling:
        nothing = np.zeros(len(boxes), dtype=np.bool_)
        return PictureCeiling(
            boxes=boxes,
            overlaps=np.ones(len(boxes), dtype=np.float32),
            contested=nothing,
            out_of_reach=nothing,
            off_centre=nothing,
            narrow=nothing,
        )

    def finer(self, lost: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
        yield from ()


FAMILY: type[HeadFamily] = ToyFamily
