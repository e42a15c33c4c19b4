"""Scoring from Python: what ``yolokit eval`` does. Needs no torch but for a model of torch's."""

from __future__ import annotations

from pathlib import Path

from yolokit.data.locate import choose_split
from yolokit.engine.isolation import isolated
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import evaluate_split
from yolokit.inference.exported import ComputePrecision
from yolokit.inference.predictor import Predictor


def evaluate(
    model: Predictor | str | Path,
    *,
    data: str | Path,
    split: str = "val",
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: ComputePrecision = "auto",
) -> CocoMetrics:
    """Score a trained detector on labelled pictures, as ``yolokit eval`` does.

    Args:
        model: a loaded model, or anything that ``Predictor.load`` reads.
        data: a data folder or data.yaml.
        split: "train", "val" or "test".
        batch_size: pictures a step.
        workers: decoding threads; None for what suits the device.
        device: where a model file is loaded to; a loaded model stays where it is.
        precision: of a model file, as for ``Predictor.load_to_score``; a loaded one keeps its own.

    Raises:
        YolokitError: no such model, data or split.
    """
    predictor = (
        model
        if isinstance(model, Predictor)
        else Predictor.load_to_score(model, device=device, precision=precision)
    )
    with isolated():
        evaluated = evaluate_split(
            predictor,
            choose_split(data, split),
            batch_size=batch_size,
            workers=workers,
        )
    return evaluated.metrics
