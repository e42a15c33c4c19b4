"""What happens around the steps of a training: validation, checkpoints, signals, the budget."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from yolokit.engine.module import DetectionModule
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Progress
from yolokit.errors import YolokitError
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.files import written_atomically
from yolokit.models.backbones import freeze_stages
from yolokit.models.detector import Detector


class StoppedBySignal(YolokitError):  # noqa: N818 - an event, not a fault
    """The run was stopped from outside after saving; ``signal_number`` says by what."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


EmaAverage = Callable[[list[Tensor], list[Tensor], Tensor], None]


def ema_average(cap: float) -> EmaAverage:
    """An averaging rule for EMA whose window grows with the run.

    After n updates the decay is (1 + n) / (10 + n): the average spans about the last ninth of
    the steps, on ten photos as on ten thousand. Tensors of one type are averaged in one call:
    there are hundreds, and most are small.

    Args:
        cap: the largest decay, 0..1.
    """

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        count = float(updates)
        rate = min((1 + count) / (10 + count), cap)
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - rate)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return average


class Thaw(lightning.Callback):
    """Keeps the backbone frozen as configured, and thaws it when its epoch has come.

    Args:
        trainable_stages: top stages to train, or "all".
        freeze_batch_norm: keep all batch-norm statistics of the backbone.
        unfreeze_epoch: first epoch in which all of it is trained; None for never.
    """

    def __init__(
        self,
        *,
        trainable_stages: int | Literal["all"],
        freeze_batch_norm: bool,
        unfreeze_epoch: int | None,
    ) -> None:
        self.trainable_stages = trainable_stages
        self.freeze_batch_norm = freeze_batch_norm
        self.unfreeze_epoch = unfreeze_epoch
        self._applied: int | Literal["all"] | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Show DDP, which looks next, every parameter that will ever be trained."""
        if self.unfreeze_epoch is not None:
            freeze_stages(pl_module.detector.backbone, "all", self.freeze_batch_norm)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Freeze what is not to be trained from the start."""
        self._apply(0, pl_module.detector)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Thaw when its epoch has come, also right after a resume."""
        self._apply(trainer.current_epoch, pl_module.detector)

    def _apply(self, epoch: int, detector: Detector) -> None:
        thawed = self.unfreeze_epoch is not None and epoch >= self.unfreeze_epoch
        stages = "all" if thawed else self.trainable_stages
        if stages != self._applied:
            freeze_stages(detector.backbone, stages, self.freeze_batch_norm)
            self._applied = stages


class Validation(lightning.Callback):
    """Scores the (averaged) model every few epochs and keeps the best.

    Without a validation split the latest model is kept instead.

    Args:
        evaluate: scores a detector, or None without a validation split.
        save: writes the model file: detector, epoch, its metrics.
        report: prints and records an epoch's numbers.
        every: epochs between validations; the last epoch always has one.
        patience: validations without a better AP before the run ends, or None.
        progress: of the run; its reserve is made to last for what is left when training ends.
        ema: the averaging callback, or None.
    """

    def __init__(
        self,
        *,
        evaluate: Callable[[Detector], CocoMetrics] | None,
        save: Callable[[Detector, int, CocoMetrics | None], None],
        report: Callable[[lightning.Trainer, int, CocoMetrics | None, bool], None],
        every: int,
        patience: int | None,
        progress: Progress,
        ema: WeightAveraging | None,
    ) -> None:
        self.evaluate, self.save, self.report = evaluate, save, report
        self.every, self.patience = every, patience
        self.progress, self.ema = progress, ema
        self.best_ap = -1.0
        self.since_best = 0

    def state_dict(self) -> dict[str, Any]:
        """The best AP so far and how long ago it was."""
        return {"best_ap": self.best_ap, "since_best": self.since_best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best AP of the interrupted run."""
        self.best_ap = float(state_dict["best_ap"])
        self.since_best = int(state_dict["since_best"])

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Validate when due, keep the model if it is the best, report the epoch."""
        epoch = trainer.current_epoch
        last = trainer.should_stop or epoch + 1 == trainer.max_epochs
        due = last or (epoch + 1) % self.every == 0
        detector = self._averaged(pl_module)
        metrics, best = None, False
        if self.evaluate is None:
            if last or due:
                self.save(detector, epoch, None)
        elif due:
            started = time.monotonic()
            metrics = self.evaluate(detector)
            passes = 1 + trainer.world_size  # the last validation; the report's, by one process
            self.progress.reserve_for(passes * (time.monotonic() - started))
            best = self._note(metrics.AP, trainer)
            if best:
                self.save(detector, epoch, metrics)
        self.report(trainer, epoch, metrics, best)

    def _note(self, ap: float, trainer: lightning.Trainer) -> bool:
        ap = 0.0 if math.isnan(ap) else ap
        # An equal AP is the later model's: it has been annealed further.
        best = ap >= self.best_ap
        self.best_ap = max(ap, self.best_ap)
        self.since_best = 0 if best else self.since_best + 1
        if self.patience is not None and self.since_best >= self.patience:
            trainer.should_stop = True
        return best

    def _averaged(self, module: DetectionModule) -> Detector:
        if self.ema is None or self.ema._average_model is None:
            return module.detector
        averaged = self.ema._average_model.module.detector
        assert isinstance(averaged, Detector)
        return averaged


class Checkpoints(lightning.Callback):
    """Writes ``last.ckpt``, whole or not at all, every so many seconds and at the end.

    Ends the run when the time budget is used up, or after a signal, saved.

    Args:
        folder: of the run.
        seconds: between two checkpoints; 0 for one after every batch.
        progress: of the run.
    """

    def __init__(self, *, folder: RunFolder, seconds: float, progress: Progress) -> None:
        self.folder, self.seconds, self.progress = folder, seconds, progress
        self._saved_at = time.monotonic()
        self._signal: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """From here on a signal is answered after the batch under way, not at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._remember)

    def teardown(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Give the signals back."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when due; the last batch of an epoch leaves that to the epoch's end."""
        step = trainer.fit_loop.total_batch_idx + 1
        if self.progress.time_budget is not None and self._over(trainer, step):
            trainer.should_stop = True
        if trainer.should_stop or batch_idx + 1 >= trainer.num_training_batches:
            return
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # a checkpoint holds no gradients: it must stand between optimizer steps
        if self._signalled(trainer):
            self._save(trainer)
            self._stop()
        if self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Save when due, after the last epoch always."""
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        stopped = self._signalled(trainer)
        if last or stopped or self._due(trainer):
            self._save(trainer)
        if stopped and not last:
            self._stop()

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:  # asked twice: at once; last.ckpt is whole all the same
            raise StoppedBySignal(number, f"stopped; resume with --resume {self.folder.path}")
        self._signal = number

    def _agreed(self, trainer: lightning.Trainer, flag: bool) -> bool:
        """True on every rank when it is on any: saving is done together."""
        if trainer.world_size == 1:
            return flag
        return bool(trainer.strategy.reduce_boolean_decision(flag, all=False))

    def _over(self, trainer: lightning.Trainer, step: int) -> bool:
        return self._agreed(trainer, self.progress.share(step) >= 1.0)

    def _signalled(self, trainer: lightning.Trainer) -> bool:
        return self._agreed(trainer, self._signal is not None)

    def _due(self, trainer: lightning.Trainer) -> bool:
        return self._agreed(trainer, time.monotonic() - self._saved_at >= self.seconds)

    def _save(self, trainer: lightning.Trainer) -> None:
        path = self.folder.checkpoint
        if trainer.is_global_zero:
            with written_atomically(path) as temporary:
                trainer.save_checkpoint(temporary)
        else:
            trainer.save_checkpoint(path)  # takes part in the collective; rank 0 alone writes
        self._saved_at = time.monotonic()

    def _stop(self) -> None:
        raise StoppedBySignal(
            self._signal or signal.SIGINT,
            f"stopped after saving. Continue with --resume {self.folder.path}",
        )
