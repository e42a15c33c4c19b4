"""Non-maximum suppression, class by class, on torchvision's kernel."""

from __future__ import annotations

import torch
import torchvision.ops
from torch import Tensor


def class_aware_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    max_detections: int,
) -> Tensor:
    """The indices of the boxes that survive, best first.

    A box falls when a better one of its own class overlaps it by more than ``iou_threshold``.
    Equal scores keep their input order, so the result is the same on every run.

    Args:
        boxes: [N, 4] float xyxy, any frame, non-negative sizes, finite.
        scores: [N] float.
        labels: [N] int64.
        iou_threshold: 0..1; 1 suppresses nothing.
        max_detections: at most this many are kept.

    Returns:
        [M] int64 indices into ``boxes``, M <= max_detections; empty for empty input.
    """
    if boxes.device.type == "mps":  # it has no float64
        on_cpu = class_aware_nms(
            boxes.cpu(), scores.cpu(), labels.cpu(), iou_threshold, max_detections
        )
        return on_cpu.to(boxes.device)
    order = torch.argsort(scores, descending=True, stable=True)
    # torchvision sorts by score once more, unstably: ranks as scores leave it no ties to break.
    # float64 keeps ranks exact and class offsets (batched_nms) from eating box precision.
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=torch.float64)
    kept = torchvision.ops.batched_nms(boxes[order].double(), ranks, labels[order], iou_threshold)
    return order[kept[:max_detections]]
