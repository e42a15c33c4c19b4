"""A whole training: data read and checked, everything built, handed to Lightning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.strategies import DDPStrategy

from yolokit.config import Config, ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.engine.beginning import Beginning
from yolokit.engine.checkpoints import Checkpoints, StateFile
from yolokit.engine.console import Console
from yolokit.engine.devices import Placement, choose_precision, place
from yolokit.engine.ema import AverageInPlace, SharedBackbone, ema_average
from yolokit.engine.epochs import EpochReport
from yolokit.engine.failures import explained
from yolokit.engine.feature_settings import require_one_process
from yolokit.engine.first_and_kept import SaveModel, first_detector, model_saver
from yolokit.engine.freezing import StageFreezing
from yolokit.engine.loggers import RunLoggers
from yolokit.engine.pace import measure_pace
from yolokit.engine.parts import build_module, build_validator, training_batches
from yolokit.engine.reading import Sets, read_sets
from yolokit.engine.recipe import planned_by, resolve
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.saved_state import Saved
from yolokit.engine.schedule import Clock, Progress
from yolokit.engine.spawning import require_guarded_main
from yolokit.engine.summary import Opening
from yolokit.engine.validation import Validation
from yolokit.engine.validator import Validator
from yolokit.signals import SignalWatch

Callback: TypeAlias = lightning.Callback  # for those who may not import Lightning


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A training that ran to its end: what its report needs.

    Args:
        config: resolved.
        train_set: what was trained on.
        validator: of the validation split, or None where there is none.
        device: of this process.
        world_size: training processes there were.
    """

    config: ResolvedConfig
    train_set: CocoDataset
    validator: Validator | None
    device: torch.device
    world_size: int


def fit(
    config: Config,
    folder: RunFolder,
    *,
    device: str,
    signals: SignalWatch,
    saved: Saved | None = None,
    source: Path | None = None,
    clock: Clock | None = None,
    console: Console | None = None,
    callbacks: Iterable[Callback] = (),
    sets: Sets | None = None,
    loggers: RunLoggers | None = None,
) -> Finished | None:
    """Train as ``config`` says and leave the run in ``folder``.

    Args:
        config: with absolute data paths and a train split.
        folder: of the run; new, or the one to resume.
        device: as on the command line.
        signals: of this process; while batches are trained they are answered after the one under
            way.
        saved: the state to continue from; None begins anew.
        source: a model file whose weights to begin with, as far as they fit; not with ``saved``.
        clock: by which the run's seconds are counted; one that starts now by default.
        console: where it speaks; standard output by default.
        callbacks: Lightning's, of the user's; called after our own, but before a checkpoint is
            written. ``trainer.callback_metrics`` holds the loss and, of a validated epoch, AP.
        sets: what ``read_sets`` gave, where it has been asked before.
        loggers: begun here, but ended by who made them; None for none.

    Returns:
        What the run was, in its first process; None in the others.

    Raises:
        YolokitError: anything a user can put right.
        StoppedBySignal: after saving.
    """
    clock, console = clock or Clock(), console or Console()
    loggers = loggers or RunLoggers((), folder, console)
    placement = place(device)
    require_one_process(config, placement.world_size)
    train_set, val_set = sets or read_sets(config)
    resolved = _resolved(config, train_set, val_set, placement, clock, resumed=saved is not None)
    if resolved.train.workers:
        require_guarded_main()
    detector = first_detector(resolved, train_set, val_set, saved, source, console.say)
    progress = Progress(clock, resolved.train.time_budget, _total_batches(resolved, len(train_set)))
    module = build_module(resolved, detector, progress)
    filling, data = training_batches(
        resolved, detector, train_set, folder, progress, placement.accelerator, console
    )
    save = model_saver(resolved, folder, train_set)
    validator = build_validator(resolved, val_set)
    checkpoints = Checkpoints(
        folder=folder,
        seconds=resolved.train.checkpoint_seconds,
        progress=progress,
        signals=signals,
        config=resolved,
        train_set=train_set,
        val_set=val_set,
    )
    checkpoint = saved.path if saved else None
    opening = Opening(
        folder=folder.path,
        asked=config,
        config=resolved,
        detector=detector,
        train_set=train_set,
        val_set=val_set,
        placement=placement,
        checkpoint=checkpoint,
    )
    beginning = Beginning(folder, loggers, opening, saved, console)
    report = EpochReport(folder=folder, progress=progress, console=console, to_loggers=loggers.log)
    own = _callbacks(resolved, folder, progress, validator, save, console, report)
    # Last: a checkpoint is written after all else that a step or epoch changes.
    called = [beginning, *own, *filling, *callbacks, checkpoints]
    trainer = _trainer(resolved, folder, placement, called, loggers)
    signals.message = signals.message if trainer.is_global_zero else ""  # one speaks for all
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except Exception as error:
        better = explained(
            error,
            folder,
            world_size=placement.world_size,
            resumed=checkpoint,
            started=checkpoints.started or any(each.at_work for each in filling),
        )
        if better is error:
            raise
        raise better from error
    finally:
        console.close_bar()
    for each in filling:
        each.store.close()
        folder.forget_features()
    if trainer.is_global_zero:
        done = "stopped; the training is done and only the report is missing"
        signals.message = f"{done}: {folder.path}"
    signals.raise_at_once()
    if not trainer.is_global_zero:
        return None
    return Finished(
        config=resolved,
        train_set=train_set,
        validator=validator,
        device=trainer.strategy.root_device,
        world_size=placement.world_size,
    )


def _resolved(
    config: Config,
    train_set: CocoDataset,
    val_set: CocoDataset | None,
    placement: Placement,
    clock: Clock,
    *,
    resumed: bool,
) -> ResolvedConfig:
    """The config with nothing left to choose; a budget is planned by the pace of real steps.

    A resumed run keeps its number of variants.
    """

    def choose(settings: Config) -> ResolvedConfig:
        return resolve(
            settings,
            train_sizes=train_set.sizes_hw,
            val_images=len(val_set) if val_set else 0,
            accelerator=placement.accelerator,
            world_size=placement.world_size,
        )

    resolved = choose(config)
    planned = config.train.time_budget is not None and not isinstance(config.train.pace, float)
    if not planned or placement.world_size > 1:  # processes that measured apart would differ
        return resolved
    found = measure_pace(
        resolved,
        train_set,
        accelerator=placement.accelerator,
        fewer_variants=not resumed,
        now=clock.now,
    )
    return choose(planned_by(config, found.pace, found.feature_cache))


def _total_batches(config: ResolvedConfig, train_images: int) -> int:
    return config.train.epochs * (train_images // config.train.batch_size)


def _callbacks(
    config: ResolvedConfig,
    folder: RunFolder,
    progress: Progress,
    validator: Validator | None,
    save: SaveModel,
    console: Console,
    report: EpochReport,
) -> list[lightning.Callback]:
    train, backbone = config.train, config.model.backbone
    ema = WeightAveraging(multi_avg_fn=ema_average(train.ema_decay)) if train.ema else None
    validation = Validation(
        evaluate=validator,
        kept=folder.model.is_file,
        expected_seconds=validator.expected_seconds if validator else None,
        save=save,
        report=report.report,
        every=train.validate_every,
        patience=train.early_stopping,
        progress=progress,
        ema=ema,
        say=console.say,
    )
    freezing = StageFreezing(
        trainable_stages=backbone.trainable_stages,
        freeze_batch_norm=backbone.freeze_batch_norm,
        unfreeze_epoch=backbone.unfreeze_epoch,
    )
    frozen = backbone.trainable_stages == 0 and backbone.unfreeze_epoch is None
    placing = [AverageInPlace, *([SharedBackbone] if frozen else [])]
    averaging = [ema, *(each(ema) for each in placing)] if ema else []
    return [freezing, report, *averaging, validation]


def _trainer(
    config: ResolvedConfig,
    folder: RunFolder,
    placement: Placement,
    callbacks: list[lightning.Callback],
    loggers: RunLoggers,
) -> lightning.Trainer:
    train = config.train
    unfreezes = config.model.backbone.unfreeze_epoch is not None
    strategy = DDPStrategy(find_unused_parameters=unfreezes) if placement.world_size > 1 else "auto"
    return lightning.Trainer(
        accelerator=placement.accelerator,
        devices=placement.devices,
        num_nodes=placement.num_nodes,
        strategy=strategy,
        precision=choose_precision(train.precision, placement.accelerator),
        max_epochs=-1 if train.time_budget is not None else train.epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.gradient_clip,
        limit_val_batches=0,
        callbacks=callbacks,
        logger=list(loggers.loggers.values()),
        enable_checkpointing=False,
        plugins=[StateFile()],
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
        default_root_dir=folder.path,
    )
