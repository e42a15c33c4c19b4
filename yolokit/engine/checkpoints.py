"""Saving a run while it goes on, and ending it: signals and the time budget."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

import lightning

from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Progress
from yolokit.errors import YolokitError
from yolokit.files import written_atomically


class StoppedBySignal(YolokitError):  # noqa: N818 - an event, not a fault
    """The run was stopped from outside after saving; ``signal_number`` says by what."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


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
