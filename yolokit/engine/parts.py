"""From a resolved config to the parts of a training: module, training pictures, validator."""

from __future__ import annotations

from yolokit.config import ResolvedConfig
from yolokit.data.augment import Augmenter
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.pictures import PreparedPictures
from yolokit.engine.datamodule import TrainingData
from yolokit.engine.module import DetectionModule
from yolokit.engine.resolution import Resolution
from yolokit.engine.schedule import Progress
from yolokit.engine.validation import Validator
from yolokit.heads.family import family_of
from yolokit.models.detector import Detector


def build_module(config: ResolvedConfig, detector: Detector, progress: Progress) -> DetectionModule:
    """The module that Lightning trains."""
    train = config.train
    return DetectionModule(
        detector=detector,
        criterion=family_of(config.model.head).criterion(),
        progress=progress,
        optimizer=train.optimizer,
        lr=train.lr,
        backbone_lr_factor=config.model.backbone.lr_factor,
        weight_decay=train.weight_decay,
        warmup=train.warmup,
        final_lr_factor=train.final_lr_factor,
        seed=train.seed,
        resolution=Resolution(start=train.start_size, jitter=config.augment.multi_scale),
    )


def build_training_data(
    config: ResolvedConfig, train_set: CocoDataset, progress: Progress
) -> TrainingData:
    """The training pictures, mosaic closed for the last share of the steps."""
    train, augment = config.train, config.augment
    batch_size = train.batch_size

    def mosaic(batch: int) -> bool:
        return progress.share_of_batch(batch) < 1 - augment.close_mosaic

    dataset = DetectionDataset(
        train_set,
        config.data.image_hw,
        augmenter=Augmenter(augment, config.data.image_hw),
        seed=train.seed,
        cache=config.data.cache,
    )
    return TrainingData(
        dataset=dataset,
        batch_size=batch_size,
        workers=train.workers,
        seed=train.seed,
        mosaic=mosaic,
    )


def build_validator(config: ResolvedConfig, val_set: CocoDataset | None) -> Validator | None:
    """What scores a detector on the validation split; None without one."""
    if val_set is None:
        return None
    return Validator(
        dataset=PreparedPictures(val_set, config.data.image_hw, cache=config.data.cache),
        truth=val_set.tree,
        category_ids=list(val_set.own_ids),
        predict=config.predict,
        batch_size=config.train.eval_batch_size,
        workers=config.train.workers,
    )
