"""NMS against a loop, and the properties a user relies on."""

import torch
from torch import Tensor

from yolokit.ops.nms import class_aware_nms


def loop_nms(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i].item(), i)):
        rivals = [k for k in kept if labels[k] == labels[index]]
        if all(_iou(boxes[index].tolist(), boxes[k].tolist()) <= threshold for k in rivals):
            kept.append(index)
    return kept


def _iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def test_is_the_loop_on_crowded_boxes_with_tied_scores() -> None:
    generator = torch.Generator().manual_seed(0)
    for round_number in range(5):
        corner = torch.rand(120, 2, generator=generator) * 50
        boxes = torch.cat((corner, corner + 5 + torch.rand(120, 2, generator=generator) * 20), -1)
        scores = (torch.rand(120, generator=generator) * 8).round() / 8  # many ties
        labels = torch.randint(0, 3, (120,), generator=generator)
        kept = class_aware_nms(boxes, scores, labels, 0.4, 1000).tolist()
        assert kept == loop_nms(boxes, scores, labels, 0.4), round_number


def test_classes_do_not_suppress_each_other() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(2, 1)
    kept = class_aware_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5, 10)
    assert kept.tolist() == [1, 0]


def test_threshold_one_suppresses_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(3, 1)
    kept = class_aware_nms(boxes, torch.tensor([0.1, 0.3, 0.2]), torch.zeros(3).long(), 1.0, 10)
    assert kept.tolist() == [1, 2, 0]


def test_keeps_the_best_when_there_are_too_many() -> None:
    boxes = torch.arange(5).float()[:, None] * 100 + torch.tensor([[0.0, 0, 10, 10]])
    kept = class_aware_nms(boxes, torch.arange(5).float(), torch.zeros(5).long(), 0.5, 2)
    assert kept.tolist() == [4, 3]


def test_far_apart_labels_do_not_eat_precision() -> None:
    # With 80 classes at 4000 px, offsetting boxes by class in float32 moves edges by 1/64 px.
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.501]])
    labels = torch.tensor([79, 79])
    far = torch.tensor([[0.0, 0, 4000, 4000]])
    kept = class_aware_nms(
        torch.cat((boxes, far)),
        torch.tensor([0.9, 0.8, 0.7]),
        torch.cat((labels, torch.tensor([0]))),
        0.5,
        10,
    )
    assert kept.tolist() == [0, 2]  # IoU 0.501 > 0.5


def test_no_boxes_give_no_indices() -> None:
    kept = class_aware_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), 0.5, 10)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64
