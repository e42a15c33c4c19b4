"""From a resolved config to the parts of a training: module, training pictures, validator."""

from __future__ import annotations

from collections.abc import Callable

import torch

from yolokit.config import ResolvedConfig
from yolokit.data.augment import Augmenter
from yolokit.data.cache import CacheMode
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.pictures import PreparedPictures
from yolokit.engine.console import Console
from yolokit.engine.datamodule import TrainingData
from yolokit.engine.feature_filling import FeatureFilling, read_levels
from yolokit.engine.feature_plan import plan_features
from yolokit.engine.feature_store import FeatureStore, Kept
from yolokit.engine.module import DetectionModule
from yolokit.engine.resolution import Resolution
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Progress
from yolokit.engine.validator import Validator
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
    return batches_of(
        training_pictures(config, train_set, cache=config.data.cache), config, progress
    )


def training_pictures(
    config: ResolvedConfig, train_set: CocoDataset, *, cache: CacheMode
) -> DetectionDataset:
    """The training pictures, augmented; decoded ones are kept as ``cache`` says."""
    return DetectionDataset(
        train_set,
        config.data.image_hw,
        augmenter=Augmenter(config.augment, config.data.image_hw),
        seed=config.train.seed,
        cache=cache,
    )


def batches_of(
    dataset: DetectionDataset | FeatureStore, config: ResolvedConfig, progress: Progress
) -> TrainingData:
    """What a training takes its batches from."""
    train = config.train
    return TrainingData(
        dataset=dataset,
        batch_size=train.batch_size,
        workers=train.workers,
        seed=train.seed,
        mosaic=mosaic_rule(config, progress),
    )


def mosaic_rule(config: ResolvedConfig, progress: Progress) -> Callable[[int], bool]:
    """Whether a batch may use mosaic, by its number in the whole run: not at the end of it.

    Where there is no mosaic there is none to end, and where it is never closed it does not end
    with the budget: more time may be given.
    """
    augment = config.augment
    closing = augment.close_mosaic if augment.mosaic else 0.0

    def mosaic(batch: int) -> bool:
        return closing == 0 or progress.share_of_batch(batch) < 1 - closing

    return mosaic


def training_batches(
    config: ResolvedConfig,
    detector: Detector,
    train_set: CocoDataset,
    folder: RunFolder,
    progress: Progress,
    accelerator: str,
    console: Console,
) -> tuple[list[FeatureFilling], TrainingData]:
    """What is trained on; with a feature cache also what fills it before the first step.

    Raises:
        DataError: the disk has no room for feature maps.
    """
    if not config.train.feature_cache:
        return [], build_training_data(config, train_set, progress)
    kept = Kept(
        plan=plan_features(config, len(train_set), mosaic_rule(config, progress)),
        shapes=read_levels(detector, config.data.image_hw),
        image_hw=config.data.image_hw,
        image_ids=train_set.image_ids.tolist(),
    )
    # A CPU that computes in 32 bits widens them as it reads; a device is handed half the bytes.
    whole = accelerator == "cpu" and config.train.precision == "32"
    store = FeatureStore(folder.features, kept, torch.float32 if whole else torch.float16)
    store.require_room()
    filling = FeatureFilling(
        store=store,
        config=config,
        train_set=train_set,
        pictures=lambda: training_pictures(config, train_set, cache=config.data.cache),
        console=console,
    )
    return [filling], batches_of(store, config, progress)


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
