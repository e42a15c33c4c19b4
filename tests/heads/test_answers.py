"""What each decoded box answers for: shares that sum to the criterion, places that decode alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.stirred_models import HEADS, stirred_model
from yolokit.heads.family import family_of
from yolokit.types import Truth

TRUTH = Truth(
    torch.tensor([[4.0, 6, 40, 50], [50, 20, 90, 60], [8, 10, 36, 44]]), torch.tensor([0, 2, 1])
)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("truth", [TRUTH, Truth(torch.zeros(0, 4), torch.zeros(0).long())])
def test_the_shares_of_all_boxes_are_the_criterion(head: str, truth: Truth) -> None:
    detector, card = stirred_model(head)
    family = family_of(card.model.head)
    picture = torch.randint(0, 256, (1, 3, 64, 96), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        outputs = detector(picture)
        terms = family.criterion()(outputs, [truth])
        count = detector.decode(outputs).boxes.shape[1]
    answers = family.answers(outputs, truth)
    assert answers.terms.keys() == terms.keys()
    for name, share in answers.terms.items():
        assert share.shape == (count,)
        assert share.sum() == pytest.approx(terms[name].item(), rel=1e-5, abs=1e-7), name
    assert answers.truths.shape == answers.wanted.shape == (count,)
    assert (answers.wanted[answers.truths < 0] == 0).all()
    if not len(truth.labels):
        assert (answers.truths == -1).all()


@pytest.mark.parametrize("head", ["conv", "yolo"])
def test_a_truth_is_answered_from_inside_it(head: str) -> None:
    """In a grid of squares the centre of each answering cell lies in its truth, or, of the one
    that owns it by its own centre, the truth's centre in the cell."""
    detector, card = stirred_model(head)
    family = family_of(card.model.head)
    with torch.no_grad():
        outputs = detector(torch.zeros(1, 3, 64, 96))
    answers, places = family.answers(outputs, TRUTH), family.places(outputs)
    found = np.flatnonzero(answers.truths >= 0)
    assert set(answers.truths[found]) == {0, 1}  # the third is the first's twin, which wins
    for index in found:
        x1, y1, x2, y2 = TRUTH.boxes[answers.truths[index]].tolist()
        high, wide = outputs[places.levels[index]].stride_hw
        top, left = places.rows[index] * high, places.cols[index] * wide
        if head == "yolo":
            assert x1 < left + wide / 2 < x2 and y1 < top + high / 2 < y2
        else:
            assert left <= (x1 + x2) / 2 < left + wide and top <= (y1 + y2) / 2 < top + high


@pytest.mark.parametrize("head", HEADS)
def test_a_place_is_where_changing_the_output_changes_the_box(head: str) -> None:
    """Independent of any order: one cell's numbers are disturbed, and one box moves."""
    detector, card = stirred_model(head)
    family = family_of(card.model.head)
    with torch.no_grad():
        outputs = detector(torch.zeros(1, 3, 64, 96))
    before, places = detector.decode(outputs).boxes, family.places(outputs)
    assert len(places.levels) == before.shape[1]
    rng = np.random.default_rng(0)
    for box in rng.choice(before.shape[1], 6, replace=False).tolist():
        cell = (places.rows[box], places.cols[box], places.predictors[box])
        codes = outputs[places.levels[box]].box_codes
        was = codes[0][cell].clone()
        codes[0][cell] += torch.linspace(0, 3, was.numel())
        moved = (detector.decode(outputs).boxes - before).abs().amax(-1)[0]
        codes[0][cell] = was
        assert torch.nonzero(moved > 1e-4).flatten().tolist() == [box]


@pytest.mark.parametrize("head", HEADS)
def test_a_raw_score_becomes_the_score(head: str) -> None:
    detector, card = stirred_model(head)
    family = family_of(card.model.head)
    outputs = detector(torch.zeros(1, 3, 64, 96))
    scores = detector.decode(outputs).scores[0]
    for box in range(0, len(scores), 3):
        raw = family.raw_score(outputs, box, 1)
        assert raw.requires_grad and raw.dim() == 0
        if head in ("yolo", "one_to_one"):
            assert raw.sigmoid().item() == pytest.approx(scores[box, 1].item(), abs=1e-6)
        elif 0 < scores[box, 1] < 1 and raw > 0:
            level = outputs[0]
            assert level.confidences is not None
            parts = level.classes[0].flatten(0, 1), level.confidences[0].flatten()
            clamped = parts[0][box // 2, 1].clamp(0, 1) * parts[1][box].clamp(0, 1)
            assert scores[box, 1].item() == pytest.approx(clamped.item(), abs=1e-6)
