"""One graph from stored pictures to boxes computes what the detector computes."""

from __future__ import annotations

import copy

import pytest
import torch
from stirred_models import HEADS, stirred_model

from yolokit.export.graph import DetectorGraph, is_one_to_one, weights_fingerprint


def _pictures(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 64, 96, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("head", HEADS)
def test_it_gives_what_the_detector_gives(head: str) -> None:
    detector, _ = stirred_model(head)
    pictures = _pictures()
    with torch.inference_mode():
        boxes, scores = DetectorGraph(detector)(pictures)
        expected = detector.decode(detector(pictures.permute(0, 3, 1, 2)))
    torch.testing.assert_close(boxes, expected.boxes, rtol=0, atol=1e-4)
    torch.testing.assert_close(scores, expected.scores, rtol=0, atol=1e-6)


def test_half_computes_the_network_only() -> None:
    """Pictures of 0..255 and boxes of hundreds of pixels need more than 11 bits."""
    detector, _ = stirred_model("yolo")
    before = copy.deepcopy(detector.state_dict())
    with torch.inference_mode():
        boxes, scores = DetectorGraph(detector, half=True)(_pictures())
        full, _ = DetectorGraph(detector)(_pictures())
    assert (boxes.dtype, scores.dtype) == (torch.float32, torch.float32)
    assert 0 < float((boxes - full).abs().max()) < 1.0
    after = detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("head", "single"), [("yolo", False), ("one_to_one", True)])
def test_who_needs_no_suppression(head: str, single: bool) -> None:
    detector, card = stirred_model(head)
    assert is_one_to_one(detector, card.image_hw) is single


def test_a_fingerprint_is_of_the_weights() -> None:
    detector, _ = stirred_model("conv")
    first = weights_fingerprint(detector)
    assert first == weights_fingerprint(copy.deepcopy(detector).to(torch.device("cpu")))
    with torch.no_grad():
        next(detector.parameters())[0] += 1e-3
    assert weights_fingerprint(detector) != first
