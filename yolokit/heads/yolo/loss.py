"""The loss of the ``yolo`` head: class scores that learn the IoU, CIoU and focal distributions.

Shape legend: B images, N cells of all levels, C classes, R bins a side, M positive cells of the
whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.heads.family import Answers
from yolokit.heads.yolo.centre import assign_centre
from yolokit.heads.yolo.codec import (
    Cells,
    cells_of,
    decode_distances,
    detecting,
    encode_distances,
    expected_distances,
    flatten_levels,
)
from yolokit.heads.yolo.config import YoloLossConfig
from yolokit.heads.yolo.task_aligned import (
    Assignment,
    PaddedTruths,
    assign_task_aligned,
    pad_truths,
)
from yolokit.ops.iou import ciou
from yolokit.types import GridOutput, Truth


class _Compared(NamedTuple):
    """A branch's outputs beside what they should be; losses not yet weighted by the config."""

    assigned: Assignment
    class_logits: Tensor  # [B, N, C]
    wanted: Tensor  # [B, N, C] scores
    places: Tensor  # [M] of the positives among the N cells
    box: Tensor  # [M]
    dfl: Tensor  # [M]
    total: Tensor  # what all is divided by


class YoloLoss(nn.Module):
    """Class, box and distribution terms over task-aligned positives, per unit of quality.

    The class score of a positive cell is trained towards the quality of its box (the IoU, for
    the best cell of a truth), every other score towards 0, by binary cross-entropy. Boxes are
    pulled by 1 - CIoU, the distributions of their sides by cross-entropy with the two bins
    around the truth (distribution focal loss, Li et al. 2020). All are weighted by quality and
    divided by its sum over the batch.

    Args:
        config: weights of the terms, and how cells are assigned: ``candidates`` cells a truth by
            score^``alpha`` · IoU^``beta``, or by the fixed rule ``centre``, which has no use for
            those three; in a one-to-one branch either gives one cell a truth. Not ``iou_aware``,
            it wants a score of 1 from every positive cell and weighs them alike.
    """

    def __init__(self, config: YoloLossConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: list[GridOutput], truths: list[Truth]) -> dict[str, Tensor]:
        """Named loss terms, scalars, already weighted; their sum is the loss.

        A one-to-one branch has terms of its own (``box_one_to_one``, …), with one cell per truth.

        Args:
            outputs: the levels of a batch.
            truths: one per image; a batch without any box has only a class term.

        Raises:
            ValueError: a wrong number of truths.
        """
        batch = len(outputs[0].classes)
        if len(truths) != batch:
            raise ValueError(f"expected {batch} truths, one per image, got {len(truths)}")
        padded = pad_truths(truths)
        terms: dict[str, Tensor] = {}
        for single in (False, True):
            branch = [output for output in outputs if output.one_to_one == single]
            if branch:
                found = self._terms(branch, padded, one_to_one=single)
                suffix = "_one_to_one" if single else ""
                terms |= {f"{name}{suffix}": term for name, term in found.items()}
        return terms

    @torch.no_grad()
    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        """Each cell's share of the terms of one picture, of the branch that detects."""
        branch = list(detecting(outputs).values())
        single = branch[0].one_to_one
        found = self._compare(branch, pad_truths([truth]), one_to_one=single)
        shares = {
            "box": torch.zeros_like(found.assigned.quality[0]),
            "classes": F.binary_cross_entropy_with_logits(
                found.class_logits[0], found.wanted[0], reduction="none"
            ).sum(-1),
            "dfl": torch.zeros_like(found.assigned.quality[0]),
        }
        shares["box"][found.places], shares["dfl"][found.places] = found.box, found.dfl
        suffix = "_one_to_one" if single else ""
        assigned = found.assigned
        return Answers(
            truths=torch.where(assigned.positive, assigned.truth, -1)[0].cpu().numpy(),
            wanted=assigned.quality[0].cpu().numpy(),
            terms={
                f"{name}{suffix}": (getattr(self.config, name) * share / found.total).cpu().numpy()
                for name, share in shares.items()
            },
        )

    def _terms(
        self, outputs: list[GridOutput], padded: PaddedTruths, *, one_to_one: bool
    ) -> dict[str, Tensor]:
        found = self._compare(outputs, padded, one_to_one=one_to_one)
        class_term = F.binary_cross_entropy_with_logits(
            found.class_logits, found.wanted, reduction="sum"
        )
        return {
            "box": self.config.box * found.box.sum() / found.total,
            "classes": self.config.classes * class_term / found.total,
            "dfl": self.config.dfl * found.dfl.sum() / found.total,
        }

    def _compare(
        self, outputs: list[GridOutput], padded: PaddedTruths, *, one_to_one: bool
    ) -> _Compared:
        class_logits, side_logits = flatten_levels(outputs)  # [B, N, C], [B, N, 4, R]
        cells = cells_of(outputs)
        boxes = decode_distances(expected_distances(side_logits), cells)  # [B, N, 4]
        scores = class_logits.detach().sigmoid()
        assigned = self._assign(boxes.detach(), scores, cells, padded, one_to_one)
        places, box, dfl = _box_losses(boxes, side_logits, cells, assigned, padded)
        return _Compared(
            assigned=assigned,
            class_logits=class_logits,
            wanted=_wanted_scores(class_logits, assigned, padded),
            places=places,
            box=box,
            dfl=dfl,
            total=assigned.quality.sum().clamp(min=1.0),
        )

    def _assign(
        self,
        boxes: Tensor,
        scores: Tensor,
        cells: Cells,
        truths: PaddedTruths,
        one_to_one: bool,
    ) -> Assignment:
        if self.config.assigner == "centre":
            assigned = assign_centre(boxes, cells, truths, nearest_only=one_to_one)
        else:
            assigned = assign_task_aligned(
                boxes,
                scores,
                cells,
                truths,
                candidates=1 if one_to_one else self.config.candidates,
                alpha=self.config.alpha,
                beta=self.config.beta,
            )
        if self.config.iou_aware:
            return assigned
        return assigned._replace(quality=assigned.positive.float())


def _wanted_scores(class_logits: Tensor, assigned: Assignment, truths: PaddedTruths) -> Tensor:
    """Class scores [B, N, C] the cells should have: quality at the truth's label, else 0."""
    wanted = torch.zeros_like(class_logits)
    if truths.labels.shape[1]:
        labels = truths.labels.gather(1, assigned.truth)  # [B, N]
        wanted.scatter_(2, labels[..., None], assigned.quality[..., None])
    return wanted


def _box_losses(
    boxes: Tensor,
    side_logits: Tensor,
    cells: Cells,
    assigned: Assignment,
    truths: PaddedTruths,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cells [M] of the positives, and their CIoU and distribution losses weighted by quality."""
    images, places = assigned.positive.nonzero(as_tuple=True)  # [M], [M]
    wanted = truths.boxes[images, assigned.truth[images, places]] if len(images) else boxes[0, :0]
    weight = assigned.quality[images, places]
    overlap = ciou(boxes[images, places], wanted)
    logits = side_logits[images, places]  # [M, 4, R]
    sides = encode_distances(wanted, cells.centres[places], cells.strides[places], logits.shape[-1])
    side_losses = distribution_focal_loss(logits, sides).mean(-1)  # [M]
    return places, (1 - overlap) * weight, side_losses * weight


def distribution_focal_loss(side_logits: Tensor, distances: Tensor) -> Tensor:
    """Cross-entropy of a distribution with the two bins around a distance (Li et al. 2020, eq. 6).

    Args:
        side_logits: [..., R].
        distances: [...] in bins, 0 <= distance < R - 1.

    Returns:
        [...] losses.
    """
    left = distances.floor().long()
    right_share = distances - left
    log_shares = side_logits.log_softmax(-1)
    left_log = log_shares.gather(-1, left[..., None])[..., 0]
    right_log = log_shares.gather(-1, left[..., None] + 1)[..., 0]
    return -(left_log * (1 - right_share) + right_log * right_share)
