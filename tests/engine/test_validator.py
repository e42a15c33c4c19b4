"""Who counts: hotcoco between epochs, the referee at the end, and the numbers are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from yolokit.data.coco import CocoDataset
from yolokit.data.pictures import PreparedPictures
from yolokit.engine.validator import Validator
from yolokit.models.detector import Detector
from yolokit.sections import PredictConfig, SplitConfig


def test_quick_during_training_and_by_the_referee_at_its_end(
    painted_split: Callable[..., SplitConfig], make_detector: Callable[..., Detector]
) -> None:
    pytest.importorskip("hotcoco")
    dataset = CocoDataset.load(painted_split())
    detector = make_detector(num_classes=len(dataset.own_ids))
    validator = Validator(
        dataset=PreparedPictures(dataset, (64, 96)),
        truth=dataset.tree,
        category_ids=list(dataset.own_ids),
        predict=PredictConfig(),
        batch_size=4,
        workers=0,
    )
    between = validator(detector)
    at_the_end, rows = validator.score_alone(detector)
    assert len(rows) > 0
    assert between.evaluator.startswith("hotcoco ")
    assert at_the_end.evaluator.startswith("pycocotools ")
    assert repr(replace(between, evaluator="")) == repr(replace(at_the_end, evaluator=""))
