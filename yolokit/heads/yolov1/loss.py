"""YOLOv1's loss, as the original C code computes it (Redmon et al. 2016, equation 3).

Shape legend: B images, S_h × S_w cells, A boxes per cell, C classes, M truths that own a cell,
over the whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.heads.family import Answers
from yolokit.heads.yolov1.codec import assign_cells, decode_boxes
from yolokit.heads.yolov1.config import YoloV1LossConfig
from yolokit.ops.iou import iou
from yolokit.types import GridOutput, Truth


class _Targets(NamedTuple):
    images: Tensor  # [M] index of the image in the batch
    members: Tensor  # [M] index of the truth in its image
    rows: Tensor  # [M]
    cols: Tensor  # [M]
    boxes: Tensor  # [M, 4] xyxy input pixels
    box_codes: Tensor  # [M, 4]
    labels: Tensor  # [M]


class _Compared(NamedTuple):
    """Outputs beside what they should be."""

    errors: dict[str, Tensor]  # of each term, [M, ...], but no_object's [B, S_h, S_w, A]
    answer: tuple[Tensor, Tensor, Tensor, Tensor]  # [M] each: image, row, column, box
    members: Tensor  # [M] index of the truth in its image
    overlap: Tensor  # [M] IoU of the answering box with its truth


class YoloV1Loss(nn.Module):
    """Sum of weighted squared errors over a batch, divided by the number of images.

    One truth per cell: the first in file order. The responsible box of a cell is the one that
    overlaps the truth most (nearest by RMSE of its image-relative centre and size where all
    IoUs are 0); its confidence target is that IoU, through which no gradient flows. Every other
    box of every cell is pushed to confidence 0 with weight ``no_object``.

    The C code's ``delta`` is minus half this loss's gradient times the batch: it writes the
    derivative of ½·error², the loss here is error² as in the paper.

    Args:
        weights: of the terms: ``box``; ``object``, the confidence of responsible boxes;
            ``no_object``, that of all others; ``classes``, paid once per cell with an object.
    """

    def __init__(self, weights: YoloV1LossConfig) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, outputs: list[GridOutput], truths: list[Truth]) -> dict[str, Tensor]:
        """Named loss terms, scalars, already weighted; their sum is the loss.

        Args:
            outputs: one level of raw grid outputs, ``confidences`` present.
            truths: one per image; an image without boxes has only no-object terms.

        Raises:
            ValueError: more than one level, no confidences, or a wrong number of truths.
        """
        found = self._compare(outputs, truths)
        return {
            name: getattr(self.weights, name) * error.square().sum() / len(truths)
            for name, error in found.errors.items()
        }

    @torch.no_grad()
    def answers(self, outputs: list[GridOutput], truth: Truth) -> Answers:
        """Each box's share of the terms of one picture; a cell's classes go to its responsible."""
        found = self._compare(outputs, [truth])
        nothing = torch.zeros_like(found.errors["no_object"])  # [1, S_h, S_w, A]
        shares = {"no_object": found.errors["no_object"].square()}
        shares["box"], shares["object"], shares["classes"] = (
            nothing.index_put(found.answer, error.square()[..., None].flatten(1).sum(1))
            for error in (found.errors[name] for name in ("box", "object", "classes"))
        )
        members = torch.full_like(nothing, -1, dtype=torch.int64)
        members[found.answer] = found.members
        wanted = nothing.index_put(found.answer, found.overlap)
        return Answers(
            truths=members.flatten().cpu().numpy(),
            wanted=wanted.flatten().cpu().numpy(),
            terms={
                name: (getattr(self.weights, name) * shares[name]).flatten().cpu().numpy()
                for name in found.errors
            },
        )

    def _compare(self, outputs: list[GridOutput], truths: list[Truth]) -> _Compared:
        output, confidences = _single_level(outputs)
        batch = len(output.classes)
        if len(truths) != batch:
            raise ValueError(f"expected {batch} truths, one per image, got {len(truths)}")
        targets = _gather_targets(output, truths)
        cell = (targets.images, targets.rows, targets.cols)
        codes = output.box_codes.float()[cell]  # [M, A, 4]
        responsible, overlap = _responsible_boxes(codes, output, targets)
        member = torch.arange(len(responsible), device=codes.device)
        answer = (*cell, responsible)  # index of the responsible box of each truth

        confidence = confidences.float()  # [B, S_h, S_w, A]
        is_responsible = torch.zeros_like(confidence, dtype=torch.bool)
        is_responsible[answer] = True
        wanted_classes = F.one_hot(targets.labels, output.classes.shape[-1]).float()
        errors = {
            "box": codes[member, responsible] - targets.box_codes,
            "object": confidence[answer] - overlap,
            "no_object": confidence.masked_fill(is_responsible, 0),
            "classes": output.classes.float()[cell] - wanted_classes,
        }
        return _Compared(errors, answer, targets.members, overlap)


def _single_level(outputs: list[GridOutput]) -> tuple[GridOutput, Tensor]:
    if len(outputs) != 1 or outputs[0].confidences is None:
        raise ValueError("YOLOv1's loss wants one grid level with confidences")
    return outputs[0], outputs[0].confidences


def _gather_targets(output: GridOutput, truths: list[Truth]) -> _Targets:
    grid_hw = (output.classes.shape[1], output.classes.shape[2])
    parts = []
    for index, truth in enumerate(truths):
        cells = assign_cells(truth.boxes, grid_hw, output.stride_hw)
        image = torch.full_like(cells.kept, index)
        boxes, labels = truth.boxes[cells.kept], truth.labels[cells.kept]
        owners = (image, cells.kept, cells.rows, cells.cols)
        parts.append((*owners, boxes, cells.box_codes, labels))
    return _Targets(*(torch.cat(column) for column in zip(*parts, strict=True)))


@torch.no_grad()
def _responsible_boxes(
    codes: Tensor, output: GridOutput, targets: _Targets
) -> tuple[Tensor, Tensor]:
    """Which of the A boxes answers for each truth [M], and its IoU with that truth [M]."""
    grid_h, grid_w = output.classes.shape[1:3]
    stride_h, stride_w = output.stride_hw
    rows, cols = targets.rows[:, None], targets.cols[:, None]
    boxes = decode_boxes(codes, rows, cols, (grid_h, grid_w), output.stride_hw)  # [M, A, 4]
    # In shares of the image, as the C code has them: on oblong inputs the RMSE depends on it.
    image_wh = codes.new_tensor([grid_w * stride_w, grid_h * stride_h])
    scale = image_wh.repeat(2)
    overlaps = iou(boxes / scale, (targets.boxes / scale)[:, None])  # [M, A]
    by_overlap = overlaps.argmax(-1)
    centre_and_root = codes - targets.box_codes[:, None]
    centre_gap = centre_and_root[..., :2] / codes.new_tensor([grid_w, grid_h])
    size_gap = codes[..., 2:].square() - targets.box_codes[:, None, 2:].square()
    distance = centre_gap.square().sum(-1) + size_gap.square().sum(-1)  # squared RMSE, [M, A]
    overlapping = overlaps.amax(-1) > 0 if len(overlaps) else overlaps.new_zeros(0).bool()
    responsible = torch.where(overlapping, by_overlap, distance.argmin(-1))
    return responsible, overlaps.gather(1, responsible[:, None])[:, 0]
