"""Task-aligned assignment: which cells answer for which truth (Feng et al. 2021, TOOD).

Shape legend: B images, N cells of all levels, C classes, T truths of the fullest image (shorter
lists are padded), K candidates per truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from yolokit.heads.yolo.codec import Cells
from yolokit.heads.yolo.eligible_cells import eligible_cells
from yolokit.ops.iou import iou
from yolokit.types import Truth


class PaddedTruths(NamedTuple):
    """Truths of a batch: boxes [B, T, 4] input pixels, labels [B, T], and which are real [B, T]."""

    boxes: Tensor
    labels: Tensor
    real: Tensor


class Assignment(NamedTuple):
    """What each cell is to predict.

    Args:
        positive: [B, N] bool, cells that answer for a truth.
        truth: [B, N] int64 index of that truth in its image; 0 where there is none.
        quality: [B, N] float32 in 0..1, the class score wanted there; 0 where there is none. The
            best cell of a truth is asked for the best IoU that its cells reach, however small that
            is, the others for their share of it.
    """

    positive: Tensor
    truth: Tensor
    quality: Tensor


def pad_truths(truths: Sequence[Truth]) -> PaddedTruths:
    """Stack lists of different lengths; T is 0 when no image has a box."""
    longest = max((len(truth.labels) for truth in truths), default=0)
    device = truths[0].boxes.device
    boxes = torch.zeros(len(truths), longest, 4, device=device)
    labels = torch.zeros(len(truths), longest, dtype=torch.int64, device=device)
    real = torch.zeros(len(truths), longest, dtype=torch.bool, device=device)
    for row, truth in enumerate(truths):
        count = len(truth.labels)
        boxes[row, :count], labels[row, :count], real[row, :count] = truth.boxes, truth.labels, True
    return PaddedTruths(boxes, labels, real)


@torch.no_grad()
def assign_task_aligned(
    boxes: Tensor,
    scores: Tensor,
    cells: Cells,
    truths: PaddedTruths,
    *,
    candidates: int = 10,
    alpha: float = 0.5,
    beta: float = 6.0,
) -> Assignment:
    """Give each truth the K cells that serve it best; a contested cell goes where it fits best.

    A cell may serve a truth when its centre lies inside the box. A box too small to hold any
    centre takes the nearest cell of each level, so that no truth goes without. How well a cell
    serves is score^alpha · IoU^beta.

    Args:
        boxes: [B, N, 4] predicted, xyxy input pixels.
        scores: [B, N, C] predicted, 0..1.
        cells: of all levels.
        truths: of the batch.
        candidates: K.
        alpha: weight of the class score.
        beta: weight of the overlap.

    Returns:
        The assignment; no positives where there are no truths.
    """
    batch, count, _ = boxes.shape
    if truths.real.shape[1] == 0:
        nothing = boxes.new_zeros(batch, count)
        return Assignment(nothing.bool(), nothing.long(), nothing)
    overlaps = iou(truths.boxes[:, :, None], boxes[:, None])  # [B, T, N]
    label_scores = scores.gather(2, truths.labels[:, None].expand(-1, count, -1)).transpose(1, 2)
    eligible = eligible_cells(truths.boxes, cells) & truths.real[..., None]  # [B, T, N]
    alignment = alpha * _log(label_scores) + beta * _log(overlaps)  # [B, T, N]
    alignment = alignment.masked_fill(~eligible, -torch.inf)
    chosen = _best_candidates(alignment, eligible, candidates)
    chosen = _settle_contests(chosen, overlaps)
    alignment = alignment.masked_fill(~chosen, -torch.inf)
    best = alignment.amax(-1, keepdim=True)
    share = torch.where(chosen, alignment - best, -torch.inf).exp()  # 1 for the best cell
    quality = share * (overlaps * chosen).amax(-1, keepdim=True)  # [B, T, N]
    return Assignment(chosen.any(1), _first_largest(chosen.byte()), quality.amax(1))


def _log(values: Tensor) -> Tensor:
    """The logarithm of values in 0..1, finite for 0.

    In logarithms an alignment never underflows: a 4 px box starts with an IoU near 0.01, which
    to the sixth power is nothing beside any floor that a quotient of alignments would need.
    """
    return values.clamp(min=torch.finfo(values.dtype).tiny).log()


def _best_candidates(alignment: Tensor, eligible: Tensor, candidates: int) -> Tensor:
    """The K best eligible cells [B, T, N] of each truth, fewer where fewer are eligible.

    Args:
        alignment: [B, T, N] logarithms, -inf where not eligible.
        eligible: [B, T, N] bool.
        candidates: K.
    """
    top = alignment.topk(min(candidates, alignment.shape[-1]), dim=-1).indices
    chosen = torch.zeros_like(eligible).scatter_(2, top, True)
    return chosen & eligible


def _settle_contests(chosen: Tensor, overlaps: Tensor) -> Tensor:
    """Leave a cell that several truths chose to the one it overlaps most."""
    contested = chosen.sum(1, keepdim=True) > 1  # [B, 1, N]
    overlap_there = overlaps.masked_fill(~chosen, -1.0)
    winner = torch.zeros_like(chosen).scatter_(1, _first_largest(overlap_there)[:, None], True)
    return torch.where(contested, winner, chosen)


def _first_largest(values: Tensor) -> Tensor:
    """Where along T a value of [B, T, N] is largest, [B, N]; of equals the first.

    ``argmax`` says the same, on a CPU in ten times the time: 2 ms for a batch of 8.
    """
    return values.max(1).indices
