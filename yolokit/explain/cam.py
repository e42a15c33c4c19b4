"""Where the evidence for a box lies: class activation maps of one cell's score.

Three ways, each on a level of the backbone: by gradients, channel by channel (Grad-CAM, Selvaraju
et al. 2017) and place by place (HiResCAM, Draelos and Carin 2020, which is proven to show only what
the score uses); and without gradients, by levelling cells and seeing how the score falls
(ablation as in Desai and Ramaswamy 2020, of places as in Zeiler and Fergus 2014).

Shape legend: C channels, h × w cells of the level, N boxes decoded.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from yolokit.explain.seen import Seen, as_batch
from yolokit.models.detector import Detector
from yolokit.types import GridOutput

_MOST_BLOCKS = 150  # of finer levels several cells are taken away together
_BATCH = 16  # maps that run through neck and head together


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a score rests on, in maps [h, w] of values at least 0, input padding included.

    Args:
        level: index of the backbone's level.
        score: 0..1, that is explained.
        gradient: Grad-CAM: channels count by their mean gradient, so that everything which looks
            alike lights up, wherever it is.
        local: HiResCAM: each place by its own gradient, so that only what this box rests on does.
        ablation: how much the raw score falls when the place is as the level is on average.
    """

    level: int
    score: float
    gradient: NDArray[np.float32]
    local: NDArray[np.float32]
    ablation: NDArray[np.float32]


def evidence(detector: Detector, seen: Seen, place: int, label: int) -> Evidence:
    """Why a decoded box scores for a class.

    Args:
        detector: in evaluation mode.
        seen: the picture.
        place: of the box among the N decoded ones.
        label: the class.
    """
    level = level_for(detector, seen, place)
    with torch.no_grad():
        maps = detector.backbone(detector.normalise(as_batch(detector, seen.prepared)))
    scored = _Scored(detector, seen, [each.detach() for each in maps], level, place, label)
    by_channel, by_place = scored.gradients()
    return Evidence(
        level=level,
        score=float(seen.decoded.scores[0, place, label]),
        gradient=by_channel,
        local=by_place,
        ablation=scored.ablation(),
    )


def level_for(detector: Detector, seen: Seen, place: int) -> int:
    """The backbone's level whose cells are nearest in size to the cell that the box is from."""
    stride = max(seen.outputs[seen.places.levels[place]].stride_hw)
    strides = [level.stride for level in detector.backbone.levels]
    gaps = [abs(np.log2(each / stride)) for each in strides]
    return int(np.argmin(gaps))


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """One score as a function of one level's map, all other levels as they are."""

    detector: Detector
    seen: Seen
    maps: list[Tensor]
    level: int
    place: int
    label: int

    def scores(self, values: Tensor) -> Tensor:
        """Raw scores [B] for maps [B, C, h, w] of the level."""
        count = len(values)
        maps = [each.expand(count, -1, -1, -1) for each in self.maps]
        maps[self.level] = values
        height, width = self.seen.prepared.shape[:2]
        outputs = self.detector.head(self.detector.neck(maps), (height, width))
        family = self.seen.family
        rows = (_one(outputs, row) for row in range(count))
        return torch.stack([family.raw_score(row, self.place, self.label) for row in rows])

    def gradients(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Grad-CAM and HiResCAM."""
        values = self.maps[self.level].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.scores(values).sum(), values)
        weights = gradient.mean((2, 3), keepdim=True)
        return _positive(weights * values), _positive(gradient * values)

    @torch.no_grad()
    def ablation(self) -> NDArray[np.float32]:
        """The fall of the score when a block of cells holds the level's average instead."""
        values = self.maps[self.level]
        height, width = values.shape[2:]
        average = values.mean((2, 3))[0, :, None, None]
        before = self.scores(values)
        falls = torch.zeros(height, width, device=values.device)
        blocks = list(_blocks(height, width))
        for start in range(0, len(blocks), _BATCH):
            part = blocks[start : start + _BATCH]
            without = values.repeat(len(part), 1, 1, 1)
            for row, (rows, cols) in enumerate(part):
                without[row, :, rows, cols] = average
            for (rows, cols), fall in zip(part, before - self.scores(without), strict=True):
                falls[rows, cols] = fall
        return falls.clamp(min=0).cpu().numpy()


def _one(outputs: list[GridOutput], row: int) -> list[GridOutput]:
    """The outputs of one picture of a batch."""
    return [
        dataclasses.replace(
            each,
            classes=each.classes[row : row + 1],
            confidences=None if each.confidences is None else each.confidences[row : row + 1],
            box_codes=each.box_codes[row : row + 1],
        )
        for each in outputs
    ]


def _blocks(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    sides = range(1, max(height, width) + 1)
    counts = {side: -(-height // side) * -(-width // side) for side in sides}
    side = next(side for side, count in counts.items() if count <= _MOST_BLOCKS)
    for row, col in itertools.product(range(0, height, side), range(0, width, side)):
        yield slice(row, row + side), slice(col, col + side)


def _positive(parts: Tensor) -> NDArray[np.float32]:
    """The sum over channels [1, C, h, w], what speaks against the class left out."""
    found: NDArray[np.float32] = parts.detach().sum(1)[0].clamp(min=0).float().cpu().numpy()
    return found
