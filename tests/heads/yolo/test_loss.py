"""The yolo loss: its distribution term by hand, its behaviour, its gradients."""

import dataclasses
import math

import pytest
import torch

from yolokit.heads.yolo.codec import cells_of, decode_yolo, encode_distances
from yolokit.heads.yolo.config import YoloLossConfig
from yolokit.heads.yolo.loss import YoloLoss, distribution_focal_loss
from yolokit.types import GridOutput, Truth

BINS = 8


def loss() -> YoloLoss:
    return YoloLoss(YoloLossConfig())


def levels(batch: int = 2, classes: int = 3) -> list[GridOutput]:
    torch.manual_seed(0)
    return [
        GridOutput(
            torch.randn(batch, side, side, classes).requires_grad_(),
            None,
            torch.randn(batch, side, side, 1, 4 * BINS).requires_grad_(),
            (64.0 / side, 64.0 / side),
        )
        for side in (8, 4)
    ]


def truth(boxes: list[list[float]], labels: list[int]) -> Truth:
    return Truth(torch.tensor(boxes).view(-1, 4), torch.tensor(labels, dtype=torch.int64))


def test_distribution_term_by_hand() -> None:
    # Uniform over 4 bins: every log share is -log 4, whatever the distance.
    assert distribution_focal_loss(torch.zeros(4), torch.tensor(1.3)).item() == pytest.approx(
        math.log(4)
    )
    # 1.25 is 3/4 of bin 1 and 1/4 of bin 2.
    logits = torch.tensor([0.0, 1.0, 2.0, 0.0])
    total = math.log(2 + math.e + math.e**2)
    expected = 0.75 * (total - 1) + 0.25 * (total - 2)
    assert distribution_focal_loss(logits, torch.tensor(1.25)).item() == pytest.approx(expected)


def test_it_is_least_where_the_distribution_is_the_two_neighbours() -> None:
    logits = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(3000):
        optimizer.zero_grad()
        distribution_focal_loss(logits, torch.tensor(2.3)).backward()
        optimizer.step()
    assert (logits.softmax(0) @ torch.arange(6.0)).item() == pytest.approx(2.3, abs=0.02)


def test_right_boxes_with_their_iou_as_score_cost_next_to_nothing() -> None:
    outputs = levels(batch=1)
    cells = cells_of(outputs)
    wanted = torch.tensor([[17.0, 9.0, 43.0, 51.0]])
    sides = encode_distances(wanted.repeat(len(cells.strides), 1), *cells, BINS)
    left = sides.floor().long()
    sharp = torch.full((len(sides), 4, BINS), -20.0)
    sharp.scatter_(2, left[..., None], (1 - (sides - left)).clamp(min=1e-9).log()[..., None])
    sharp.scatter_(2, left[..., None] + 1, (sides - left).clamp(min=1e-9).log()[..., None])
    inside = (cells.centres > wanted[:, :2]).all(1) & (cells.centres < wanted[:, 2:]).all(1)
    scores = torch.where(inside[:, None] & (torch.arange(3) == 1), 12.0, -12.0)
    built, start = [], 0
    for output in outputs:
        count = output.classes.shape[1] ** 2
        part = slice(start, start + count)
        shape = output.classes.shape[:3]
        built.append(
            GridOutput(
                scores[part].view(*shape, 3),
                None,
                sharp[part].view(*shape, 1, -1),
                output.stride_hw,
            )
        )
        start += count
    decoded = decode_yolo(built)
    torch.testing.assert_close(decoded.boxes[0, inside], wanted.expand(int(inside.sum()), 4))
    good = loss()([*built], [truth(wanted.tolist(), [1])])
    bad = loss()(outputs, [truth(wanted.tolist(), [1])])
    assert good["box"].item() < 1e-3
    assert good["classes"].item() < bad["classes"].item()
    assert good["dfl"].item() < bad["dfl"].item()


def test_every_output_gets_a_finite_gradient() -> None:
    outputs = levels()
    truths = [truth([[5.0, 5, 40, 30], [1, 1, 2, 2]], [0, 2]), truth([], [])]
    torch.stack(list(loss()(outputs, truths).values())).sum().backward()
    for output in outputs:
        assert output.classes.grad is not None
        assert output.box_codes.grad is not None
        assert torch.isfinite(output.box_codes.grad).all()
        assert (output.classes.grad != 0).all()  # every score is pushed somewhere
        assert not output.box_codes.grad[1].any()  # no box, no pull


def test_pictures_without_boxes_only_push_scores_down() -> None:
    outputs = levels()
    nothing = truth([], [])
    terms = loss()(outputs, [nothing, nothing])
    assert terms["box"].item() == terms["dfl"].item() == 0.0
    terms["classes"].backward()
    assert outputs[0].classes.grad is not None
    assert (outputs[0].classes.grad > 0).all()


def test_a_wrong_number_of_truths_is_refused() -> None:
    with pytest.raises(ValueError, match="2 truths"):
        loss()(levels(), [truth([], [])])


def test_blind_to_the_overlap_every_positive_weighs_alike() -> None:
    # Nine cells answer for the box; every score is 0.5 (logit 0), so each of the C · N scores
    # costs log 2, whatever is wanted of it, and the sum is shared by nine positives.
    outputs = [
        GridOutput(torch.zeros(1, 8, 8, 3), None, torch.zeros(1, 8, 8, 1, 4 * BINS), (8.0, 8.0))
    ]
    config = YoloLossConfig(box=1.0, classes=1.0, dfl=1.0, assigner="centre", iou_aware=False)
    criterion = YoloLoss(config)
    terms = criterion(outputs, [truth([[8.0, 8, 48, 48]], [1])])
    assert terms["classes"].item() == pytest.approx(math.log(2) * 64 * 3 / 9, rel=1e-5)
    assert terms["dfl"].item() == pytest.approx(math.log(BINS), rel=1e-5)
    outputs[0].classes.requires_grad_()
    criterion(outputs, [truth([[8.0, 8, 48, 48]], [1])])["classes"].backward()
    assert outputs[0].classes.grad is not None
    # Sigmoid less what is wanted, over nine: up for the label of the positives, down elsewhere.
    assert outputs[0].classes.grad[0, 3, 3].tolist() == pytest.approx([0.5 / 9, -0.5 / 9, 0.5 / 9])
    assert outputs[0].classes.grad[0, 0, 0].tolist() == pytest.approx([0.5 / 9] * 3)


@pytest.mark.parametrize("candidates", [1, 10])
def test_the_centre_rule_is_followed_whatever_the_candidates(candidates: int) -> None:
    # Nine 8 px cells lie within 1.5 strides of the middle of the box.
    outputs = [
        GridOutput(torch.zeros(1, 8, 8, 3), None, torch.zeros(1, 8, 8, 1, 4 * BINS), (8.0, 8.0))
    ]
    outputs[0].box_codes.requires_grad_()
    criterion = YoloLoss(YoloLossConfig(assigner="centre", candidates=candidates))
    criterion(outputs, [truth([[8.0, 8, 48, 48]], [1])])["box"].backward()
    assert outputs[0].box_codes.grad is not None
    pulled = outputs[0].box_codes.grad[0].flatten(2).any(-1).nonzero().tolist()
    assert pulled == [[row, col] for row in (2, 3, 4) for col in (2, 3, 4)]


def test_the_centre_rule_gives_a_one_to_one_branch_the_nearest_cell() -> None:
    codes = torch.zeros(1, 8, 8, 1, 4 * BINS).requires_grad_()
    output = GridOutput(torch.zeros(1, 8, 8, 3), None, codes, (8.0, 8.0), one_to_one=True)
    criterion = YoloLoss(YoloLossConfig(assigner="centre"))
    criterion([output], [truth([[8.0, 8, 48, 48]], [1])])["box_one_to_one"].backward()
    assert codes.grad is not None
    # the middle (28, 28) is the centre of cell 3, 3; scores of 0 everywhere have no say
    assert codes.grad[0].flatten(2).any(-1).nonzero().tolist() == [[3, 3]]


def test_a_one_to_one_branch_gives_each_truth_one_cell() -> None:
    outputs = levels(batch=1)
    single = [dataclasses.replace(output, one_to_one=True) for output in outputs]
    truths = [truth([[5.0, 5, 40, 30], [42, 40, 60, 62]], [0, 2])]
    criterion = loss()
    both = criterion([*outputs, *single], truths)
    assert list(both) == [
        "box",
        "classes",
        "dfl",
        *(f"{name}_one_to_one" for name in ("box", "classes", "dfl")),
    ]
    alone = criterion(outputs, truths)
    assert all(both[name].item() == alone[name].item() for name in alone)
    both["box_one_to_one"].backward()
    pulled = 0
    for output in single:
        assert output.box_codes.grad is not None
        pulled += int(output.box_codes.grad.flatten(0, 3).any(-1).sum())
    assert pulled == 2
