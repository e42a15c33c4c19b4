"""The detector that a training begins with, and the model file that it keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from yolokit.config import ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.engine.module import DivergedError
from yolokit.engine.run_folder import RunFolder, is_first_process
from yolokit.engine.saved_state import Saved, all_finite
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_file import save_model
from yolokit.models.transfer import build_from

SaveModel = Callable[[Detector, int, CocoMetrics | None], None]


def first_detector(
    config: ResolvedConfig,
    train_set: CocoDataset,
    val_set: CocoDataset | None,
    saved: Saved | None,
    source: Path | None,
    say: Callable[[str], None],
) -> Detector:
    """A new detector, or one that waits for the weights of a state: its files are not needed."""
    torch.manual_seed(config.train.seed)
    model, names = config.model, train_set.class_names
    if saved:
        saved.require_same_settings(config)
        saved.require_same_data(train_set, val_set)
        update = {"name": saved.backbone, "weights": "none"}
        model = model.model_copy(update={"backbone": model.backbone.model_copy(update=update)})
    elif source:
        detector, taken = build_from(source, model, names, config.data.image_hw)
        if is_first_process():
            say(taken)
        return detector
    detector = build_detector(model, num_classes=len(names), image_hw=config.data.image_hw)
    if saved:
        detector.normalise_by(saved.mean, saved.std)
    return detector


def model_saver(config: ResolvedConfig, folder: RunFolder, train_set: CocoDataset) -> SaveModel:
    """A function that writes the run's model file; in its first process alone."""

    def save(detector: Detector, epoch: int, metrics: CocoMetrics | None) -> None:
        if not is_first_process():
            return
        if not all_finite(detector.state_dict().values()):
            raise DivergedError(
                f"weights are no numbers any more after epoch {epoch + 1}. Lower train.lr or "
                "train.gradient_clip"
            )
        found = {} if metrics is None else {"AP": metrics.AP, "AP50": metrics.AP50}
        scores = {name: None if math.isnan(value) else value for name, value in found.items()}
        card = ModelCard(
            model=config.model,
            predict=config.predict,
            class_names=list(train_set.class_names),
            category_ids=list(train_set.category_ids),
            image_hw=config.data.image_hw,
            mean=detector.backbone.mean,
            std=detector.backbone.std,
            data_fingerprint=train_set.fingerprint,
            metrics={"epoch": epoch + 1, **scores},
        )
        save_model(folder.model, detector, card)

    return save
