"""YOLOv1's loss: by hand, against a slow loop, and against the original C code's numbers."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from yolokit.heads.yolov1.codec import assign_cells
from yolokit.heads.yolov1.config import YoloV1LossConfig
from yolokit.heads.yolov1.loss import YoloV1Loss
from yolokit.ops.boxes import cxcywh_to_xyxy
from yolokit.types import GridOutput, Truth

STRIDE = 32.0
DELTA_TO_GRADIENT = -2.0  # the C code writes minus the derivative of ½·error²; ours is error²'s
CASES = ("s3_b3_c4", "s4_b2_c3_empty", "s5_b2_c1_crowded", "s7_b2_c20")


def paper_loss() -> YoloV1Loss:
    return YoloV1Loss(YoloV1LossConfig())


def truth_from_shares(shares: list[list[float]], labels: list[int], grid: int) -> Truth:
    boxes = torch.tensor(shares).reshape(-1, 4) * grid * STRIDE
    return Truth(cxcywh_to_xyxy(boxes), torch.tensor(labels, dtype=torch.int64))


def random_case(
    grid: int, per_cell: int, classes: int, objects: int
) -> tuple[GridOutput, list[Truth]]:
    generator = torch.Generator().manual_seed(grid * 100 + objects)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    output = GridOutput(
        (rand(2, grid, grid, classes) * 1.4 - 0.2).requires_grad_(),
        (rand(2, grid, grid, per_cell) * 1.4 - 0.2).requires_grad_(),
        (rand(2, grid, grid, per_cell, 4) * 1.6 - 0.3).requires_grad_(),
        (STRIDE, STRIDE),
    )
    truths = []
    for _ in range(2):
        shares = rand(objects, 4) * 0.9 + 0.05
        labels = torch.randint(0, classes, (objects,), generator=generator)
        truths.append(truth_from_shares(shares.tolist(), labels.tolist(), grid))
    return output, truths


def loop_loss(output: GridOutput, truths: list[Truth], grid: int) -> float:
    """Section 2.2 and the C code, one number at a time."""
    assert output.confidences is not None
    total = 0.0
    for image, truth in enumerate(truths):
        owners: dict[tuple[int, int], int] = {}
        shares = (truth.boxes / (grid * STRIDE)).tolist()
        for index, (x1, y1, x2, y2) in enumerate(shares):
            owners.setdefault((int((y1 + y2) / 2 * grid), int((x1 + x2) / 2 * grid)), index)
        for row in range(grid):
            for col in range(grid):
                confidences = output.confidences[image, row, col].tolist()
                total += sum(0.5 * c * c for c in confidences)
                if (row, col) not in owners:
                    continue
                index = owners[row, col]
                x1, y1, x2, y2 = shares[index]
                wanted = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
                codes = output.box_codes[image, row, col].tolist()
                found = [
                    ((col + x) / grid, (row + y) / grid, sw * sw, sh * sh) for x, y, sw, sh in codes
                ]
                overlaps = [_iou(box, wanted) for box in found]
                distances = [math.dist(box, wanted) for box in found]
                best = (
                    overlaps.index(max(overlaps))
                    if max(overlaps) > 0
                    else distances.index(min(distances))
                )
                total -= 0.5 * confidences[best] ** 2
                total += (confidences[best] - overlaps[best]) ** 2
                code = (
                    wanted[0] * grid - col,
                    wanted[1] * grid - row,
                    math.sqrt(wanted[2]),
                    math.sqrt(wanted[3]),
                )
                total += 5 * sum((a - b) ** 2 for a, b in zip(codes[best], code, strict=True))
                for label, score in enumerate(output.classes[image, row, col].tolist()):
                    total += (score - (label == int(truth.labels[index]))) ** 2
    return total / len(truths)


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    def span(centre: int, size: int) -> float:
        low = max(a[centre] - a[size] / 2, b[centre] - b[size] / 2)
        return min(a[centre] + a[size] / 2, b[centre] + b[size] / 2) - low

    if span(0, 2) <= 0 or span(1, 3) <= 0:
        return 0.0
    shared = span(0, 2) * span(1, 3)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def test_one_cell_by_hand() -> None:
    # One cell of 32 px, two boxes, two classes. Truth: centre (0.5, 0.5), 1/4 × 1/4 of the image.
    truth = truth_from_shares([[0.5, 0.5, 0.25, 0.25]], [1], 1)
    # Box 0: same centre, roots 1 -> the whole image: IoU 1/16. Box 1: roots ½, shifted by 1/8 in
    # x: overlap 1/8·1/4 = 1/32, union 2/16 - 1/32 = 3/32, IoU 1/3: responsible.
    codes = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.625, 0.5, 0.5, 0.5]]).view(1, 1, 1, 2, 4)
    output = GridOutput(
        torch.tensor([0.25, 0.5]).view(1, 1, 1, 2),
        torch.tensor([0.5, 0.25]).view(1, 1, 1, 2),
        codes,
        (STRIDE, STRIDE),
    )
    terms = paper_loss()([output], [truth])
    assert terms["box"].item() == pytest.approx(5 * 0.125**2)
    assert terms["object"].item() == pytest.approx((0.25 - 1 / 3) ** 2)
    assert terms["no_object"].item() == pytest.approx(0.5 * 0.5**2)
    assert terms["classes"].item() == pytest.approx(0.25**2 + 0.5**2)


def test_without_overlap_the_nearest_box_answers() -> None:
    truth = truth_from_shares([[0.25, 0.25, 0.04, 0.04]], [0], 1)
    far, near = [0.9, 0.9, 0.2, 0.2], [0.5, 0.25, 0.2, 0.2]
    codes = torch.tensor([far, near]).view(1, 1, 1, 2, 4)
    confidences = torch.zeros(1, 1, 1, 2, requires_grad=True)
    output = GridOutput(torch.ones(1, 1, 1, 1), confidences, codes, (STRIDE, STRIDE))
    terms = paper_loss()([output], [truth])
    assert terms["box"].item() == pytest.approx(5 * 0.25**2)  # the near box is 0.25 off in x
    assert terms["object"].item() == 0.0


@pytest.mark.parametrize(
    ("grid", "per_cell", "classes", "objects"),
    [(7, 2, 20, 5), (3, 3, 4, 12), (1, 1, 1, 1), (5, 2, 3, 0)],
)
def test_is_the_loop(grid: int, per_cell: int, classes: int, objects: int) -> None:
    output, truths = random_case(grid, per_cell, classes, objects)
    loss = sum(paper_loss()([output], truths).values())
    assert torch.as_tensor(loss).item() == pytest.approx(loop_loss(output, truths, grid), rel=1e-5)


def test_confidence_target_carries_no_gradient() -> None:
    output, truths = random_case(5, 2, 3, 4)
    paper_loss()([output], truths)["object"].backward()
    assert output.box_codes.grad is None
    assert output.confidences is not None
    assert output.confidences.grad is not None


def test_images_without_boxes_only_push_confidences_down() -> None:
    output, _ = random_case(4, 2, 3, 0)
    nothing = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    terms = paper_loss()([output], [nothing, nothing])
    assert {name for name, term in terms.items() if term.item() != 0} == {"no_object"}
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert output.confidences is not None
    assert output.confidences.grad is not None
    # d/dc of 0.5·c² / 2 images
    torch.testing.assert_close(output.confidences.grad, output.confidences.detach() / 2)


def test_wrong_shapes_are_refused() -> None:
    output, truths = random_case(3, 2, 2, 1)
    with pytest.raises(ValueError, match="2 truths"):
        paper_loss()([output], truths[:1])
    with pytest.raises(ValueError, match="one grid level"):
        paper_loss()([output, output], truths)


@pytest.mark.real
@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_original_c_codes_delta(name: str, real_root: Path) -> None:
    case = json.loads((real_root / "eval/yolov1_reference" / f"{name}.json").read_text())
    batch, grid, per_cell, classes = (case[key] for key in ("batch", "S", "B", "C"))
    raw = torch.tensor(case["outputs"]).view(batch, -1).requires_grad_()
    cells = grid * grid
    class_part, confidence_part, box_part = raw.split(
        [cells * classes, cells * per_cell, cells * per_cell * 4], dim=1
    )
    output = GridOutput(
        class_part.reshape(batch, grid, grid, classes),
        confidence_part.reshape(batch, grid, grid, per_cell),
        box_part.reshape(batch, grid, grid, per_cell, 4),
        (STRIDE, STRIDE),
    )
    truths = [
        truth_from_shares([box["cxcywh"] for box in boxes], [box["label"] for box in boxes], grid)
        for boxes in case["truth"]
    ]
    for truth, boxes in zip(truths, case["truth"], strict=True):
        kept = assign_cells(truth.boxes, (grid, grid), (STRIDE, STRIDE)).kept.tolist()
        assert kept == [index for index, box in enumerate(boxes) if box["kept"]]

    sum(paper_loss()([output], truths).values()).backward()  # type: ignore[union-attr]
    assert raw.grad is not None
    delta = torch.tensor(case["delta"]).view(batch, -1)
    torch.testing.assert_close(raw.grad * batch, DELTA_TO_GRADIENT * delta, atol=1e-4, rtol=1e-4)
