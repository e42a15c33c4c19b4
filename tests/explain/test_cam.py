"""Class activation maps: where a trained detector looks, and that its weights decide it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tests.support.stirred_models import stirred_model
from yolokit.config import ModelConfig
from yolokit.errors import ConfigError
from yolokit.explain.cam import evidence
from yolokit.explain.cam_sheet import place_of
from yolokit.explain.explainer import Explainer
from yolokit.explain.seen import Seen, look
from yolokit.heads.family import family_of
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.ops.iou import iou
from yolokit.types import Truth

WAYS = ("gradient", "local", "ablation")
SIDE, OBJECT = 64, 24  # px


def _picture(rng: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Dull noise with one bright square, and where its corner is."""
    picture = rng.integers(60, 120, (SIDE, SIDE, 3), dtype=np.uint8)
    y, x = rng.integers(0, SIDE - OBJECT, 2).tolist()
    picture[y : y + OBJECT, x : x + OBJECT] = (230, 40, 40)
    return picture, (y, x)


@cache
def _trained() -> tuple[Detector, ModelCard]:
    """A detector that has learnt to find the square; some seconds on one core."""
    head = {"type": "yolo", "width": 16, "tower_depth": 1, "strides": [8, 16]}
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    config = ModelConfig.model_validate({"head": head, "backbone": backbone})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = build_detector(config, num_classes=1, image_hw=(SIDE, SIDE)).train()
        criterion = family_of(config.head).criterion()
        optimiser = torch.optim.AdamW(detector.parameters(), lr=2e-3)
        rng = np.random.default_rng(0)
        for _ in range(60):
            made = [_picture(rng) for _ in range(4)]
            images = torch.from_numpy(np.stack([p for p, _ in made])).permute(0, 3, 1, 2)
            truths = [
                Truth(torch.tensor([[x, y, x + OBJECT, y + OBJECT]]).float(), torch.tensor([0]))
                for _, (y, x) in made
            ]
            optimiser.zero_grad()
            sum(criterion(detector(images), truths).values()).backward()
            optimiser.step()
    card = ModelCard(
        model=config,
        class_names=["square"],
        category_ids=[1],
        image_hw=(SIDE, SIDE),
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    return detector.eval(), card


def _seen(detector: Detector, card: ModelCard, picture: NDArray[np.uint8]) -> Seen:
    return look(detector, card, picture, score_threshold=0.05)


@pytest.mark.slow  # trains for some seconds
@pytest.mark.parametrize("seed", [101, 102, 103])
def test_the_map_of_a_trained_detector_peaks_in_the_object(seed: int) -> None:
    detector, card = _trained()
    picture, (y, x) = _picture(np.random.default_rng(seed))
    seen = _seen(detector, card, picture)
    place, label = place_of(seen, number=1, box=None, label=None)
    found = evidence(detector, seen, place, label)
    stride = detector.backbone.levels[found.level].stride
    for way in ("local", "ablation"):
        values = getattr(found, way)
        row, col = np.unravel_index(values.argmax(), values.shape)
        top, left = row * stride, col * stride  # the cell with the most evidence touches it
        assert y - stride < top < y + OBJECT and x - stride < left < x + OBJECT, way


@pytest.mark.slow
def test_other_weights_give_another_map() -> None:
    """The sanity check of Adebayo et al. 2018: a map that stays what it was when the weights are
    made random explains the picture, not the network. Of five random ones the middle one counts:
    one map may be like another by chance."""
    detector, card = _trained()
    picture, _ = _picture(np.random.default_rng(7))
    seen = _seen(detector, card, picture)
    place, label = place_of(seen, number=1, box=None, label=None)
    before = evidence(detector, seen, place, label)
    likeness: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(5):
        random = _random(card, seed)
        after = evidence(random, _seen(random, card, picture), place, label)
        for way in WAYS:
            own, other = getattr(before, way), getattr(after, way)
            told = (own > 0) | (other > 0)  # outside the receptive field both are 0, of course
            likeness[way].append(float(spearmanr(own[told], other[told]).statistic))
    again = evidence(detector, seen, place, label)
    for way in WAYS:
        assert np.array_equal(getattr(before, way), getattr(again, way))
        assert np.nanmedian(likeness[way]) < 0.4, way


def _random(card: ModelCard, seed: int) -> Detector:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector = build_detector(card.model, num_classes=1, image_hw=(SIDE, SIDE)).eval()
        for part in detector.modules():  # of the size of trained weights: the last begin near zero
            if isinstance(part, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(part.weight)
    return detector


@pytest.mark.parametrize("head", ["yolo", "one_to_one", "conv"])
def test_the_gradient_of_a_place_is_its_share_of_the_score(head: str) -> None:
    """By differences: scaling one cell of the level by 1 + e moves the raw score by e times what
    its channels contribute; HiResCAM holds that sum where it is positive."""
    detector, card = stirred_model(head)
    detector = detector.double()
    picture = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    seen = _seen(detector, card, picture)
    place, label = place_of(seen, number=1, box=None, label=1)
    found = evidence(detector, seen, place, label)
    with torch.no_grad():
        batch = torch.from_numpy(seen.prepared).permute(2, 0, 1)[None]
        maps = list(detector.backbone(detector.normalise(batch)))
    step, raws = 1e-5, []
    values = maps[found.level]
    row, col = np.unravel_index(found.local.argmax(), found.local.shape)
    for sign in (-1, 1):
        changed = values.clone()
        changed[:, :, row, col] *= 1 + sign * step
        with torch.no_grad():
            neck = detector.neck([*maps[: found.level], changed, *maps[found.level + 1 :]])
            raws.append(seen.family.raw_score(detector.head(neck, (64, 96)), place, label).item())
    slope = (raws[1] - raws[0]) / (2 * step)
    assert slope > 0 and found.local[row, col] == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([5000, 5000, 5010, 5010], "no box at .* The picture is 96x64 pixels"),
        ([10, 10, 10, 10], "is no box"),
        ([1, 2, 3], "is no box"),
    ],
)
def test_a_place_without_a_box_is_not_taken_for_another(box: list[float], said: str) -> None:
    detector, card = stirred_model("yolo")
    picture = np.random.default_rng(5).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    seen = _seen(detector, card, picture)
    with pytest.raises(ConfigError, match=said):
        place_of(seen, number=1, box=np.array(box, dtype=np.float32), label=None)


def test_a_box_is_chosen_by_number_or_place() -> None:
    detector, card = stirred_model("yolo")
    picture = np.random.default_rng(5).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    seen = _seen(detector, card, picture)
    assert len(seen.found) > 1
    for number in (1, 2):
        place, label = place_of(seen, number=number, box=None, label=None)
        box = seen.detections.boxes[number - 1]
        assert seen.decoded.scores[0, place, label] == seen.detections.scores[number - 1]
        at, _ = place_of(seen, number=1, box=box, label=label)
        near = torch.from_numpy(seen.decoded.boxes[0, at].clip(0, [96, 64, 96, 64]))
        assert iou(near.float(), torch.from_numpy(box)) > 0.85  # the best score among those there
    with pytest.raises(ConfigError, match=r"there is no box 99: \d+ found"):
        place_of(seen, number=99, box=None, label=None)
    with pytest.raises(ConfigError, match="not both"):
        Explainer(detector, card).cam(picture, 1, box=(1, 2, 30, 40))
    sheet = Explainer(detector, card).cam(picture, 2, label="square", conf=0.05)
    assert sheet.numbers["name"] == "square" and len(sheet.figures) == 4
    with pytest.raises(ConfigError, match="no class 'cube'"):
        Explainer(detector, card).cam(picture, label="cube")
