"""A head as small as can be, for ``test_family``: one box and one score a cell of a square grid."""

from __future__ import annotations

from typing import Literal

from yolokit.heads.family import HeadConfig
from yolokit.sections import Section, Weight


class ToyLossConfig(Section):
    """One weight."""

    distance: Weight = 1.0


class ToyConfig(HeadConfig):
    """Its cells along each side."""

    type: Literal["toy"] = "toy"
    cells: int = 2
    loss: ToyLossConfig = ToyLossConfig()


CONFIG = ToyConfig
