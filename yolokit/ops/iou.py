"""Overlap of boxes: IoU and its generalised, distance and complete variants.

All functions take two broadcastable float tensors [..., 4] in xyxy and return [...]: pass
``boxes[:, None], others[None]`` for the full matrix. A pair without area gives IoU 0, never NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_TINY = 1e-9  # px² (or squared relative unit): keeps 0/0 of two empty boxes at 0


class _Overlap(NamedTuple):
    iou: Tensor
    union: Tensor


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union in 0..1 of each pair.

    Args:
        boxes: [..., 4] xyxy.
        others: [..., 4] xyxy, broadcastable against ``boxes``.
    """
    return _overlap(boxes, others).iou


def giou(boxes: Tensor, others: Tensor) -> Tensor:
    """Generalised IoU in -1..1: IoU minus the empty share of the enclosing box.

    Rezatofighi et al. 2019, algorithm 1. Two empty boxes at one place give 0.
    """
    pair_iou, union = _overlap(boxes, others)
    hull_w, hull_h = _hull_wh(boxes, others)
    hull = hull_w * hull_h
    return pair_iou - (hull - union) / hull.clamp(min=_TINY)


def diou(boxes: Tensor, others: Tensor) -> Tensor:
    """Distance IoU in -1..1: IoU minus (centre distance / hull diagonal)².

    Zheng et al. 2020, section 3.
    """
    return _overlap(boxes, others).iou - _centre_penalty(boxes, others)


def ciou(boxes: Tensor, others: Tensor) -> Tensor:
    """Complete IoU: distance IoU minus a term for the difference in aspect ratio.

    Zheng et al. 2020, section 3.3; the trade-off weight carries no gradient, as there.
    """
    pair_iou = _overlap(boxes, others).iou
    aspect_gap = (_aspect_angle(others) - _aspect_angle(boxes)) * (2 / math.pi)
    v = aspect_gap.square()
    with torch.no_grad():
        alpha = v / (1 - pair_iou + v).clamp(min=_TINY)
    return pair_iou - _centre_penalty(boxes, others) - alpha * v


def _overlap(boxes: Tensor, others: Tensor) -> _Overlap:
    top_left = torch.maximum(boxes[..., :2], others[..., :2])
    bottom_right = torch.minimum(boxes[..., 2:], others[..., 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(-1)
    union = _area(boxes) + _area(others) - intersection
    return _Overlap(intersection / union.clamp(min=_TINY), union)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def _hull_wh(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    top_left = torch.minimum(boxes[..., :2], others[..., :2])
    bottom_right = torch.maximum(boxes[..., 2:], others[..., 2:])
    width, height = (bottom_right - top_left).unbind(-1)
    return width, height


def _centre_penalty(boxes: Tensor, others: Tensor) -> Tensor:
    hull_w, hull_h = _hull_wh(boxes, others)
    diagonal = hull_w.square() + hull_h.square()
    gap = (boxes[..., :2] + boxes[..., 2:] - others[..., :2] - others[..., 2:]) / 2
    return gap.square().sum(-1) / diagonal.clamp(min=_TINY)


def _aspect_angle(boxes: Tensor) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan(width / height.clamp(min=_TINY))
