"""Saving a run while it goes on, and ending it: signals and the time budget."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from yolokit.config import ResolvedConfig
from yolokit.data.coco import CocoDataset
from yolokit.engine.module import DivergedError
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.saved_state import ABOUT, about, all_finite
from yolokit.engine.schedule import Progress
from yolokit.errors import YolokitError
from yolokit.files import written_atomically
from yolokit.signals import SignalWatch


class StateFile(TorchCheckpointIO):
    """Writes a state where it is to be, not through a file in the system's temporary folder."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write it; ``written_atomically`` sees to it that it is there whole or not at all."""
        with Path(path).open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's own words for a write that failed
                cause = error.__context__
                raise (cause if isinstance(cause, OSError) else error) from None


class Checkpoints(lightning.Callback):
    """Writes ``last.ckpt``, whole or not at all, every so many seconds and at the end.

    Ends the run when the time budget is used up, or after a signal, saved.

    Args:
        folder: of the run.
        seconds: between two checkpoints; 0 for one after every batch.
        progress: of the run.
        signals: of this process; in force until the training ends.
        config: resolved; noted in each state, as are
        train_set, val_set: what is trained and validated on.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        seconds: float,
        progress: Progress,
        signals: SignalWatch,
        config: ResolvedConfig,
        train_set: CocoDataset,
        val_set: CocoDataset | None,
    ) -> None:
        self.folder, self.seconds, self.progress = folder, seconds, progress
        self.signals, self.config = signals, config
        self.train_set, self.val_set = train_set, val_set
        self.started = self._ended = False
        self._saved_at = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """From here on a signal is answered after the batch under way, not at once."""
        self.started = True
        again = f"continue with --resume {self.folder.path}"
        self.signals.message = (
            f"stopped at once, without saving. The last saved state is kept: {again}"
            if self.folder.checkpoint.exists()
            else f"stopped at once, before anything was saved. To begin anew, {again}"
        )
        self.signals.wait()
        self.signals.install()  # Lightning has put its own in their place

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when due; the last batch of an epoch leaves that to the epoch's end."""
        if self.progress.budget_spent():
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
        self._ended = last
        if last or stopped or self._due(trainer):
            self._save(trainer)
        if stopped and not last:
            self._stop()

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Note what a resumed run must find again, and whether there is anything left to do."""
        backbone = pl_module.detector.backbone
        checkpoint[ABOUT] = about(self.config, self.train_set, self.val_set, backbone, self._ended)

    def _agreed(self, trainer: lightning.Trainer, flag: bool) -> bool:
        """True on every rank when it is on any: saving is done together."""
        if trainer.world_size == 1:
            return flag
        return bool(trainer.strategy.reduce_boolean_decision(flag, all=False))

    def _signalled(self, trainer: lightning.Trainer) -> bool:
        return self._agreed(trainer, self.signals.pending is not None)

    def _due(self, trainer: lightning.Trainer) -> bool:
        return self._agreed(trainer, time.monotonic() - self._saved_at >= self.seconds)

    def _save(self, trainer: lightning.Trainer) -> None:
        path = self.folder.checkpoint
        if not all_finite(trainer.lightning_module.state_dict().values()):
            raise DivergedError(
                f"weights are no numbers any more in epoch {trainer.current_epoch}. Lower train.lr "
                "or train.gradient_clip"
            )
        if trainer.is_global_zero:
            try:
                with written_atomically(path) as temporary:
                    trainer.save_checkpoint(temporary)
            except OSError as error:
                raise YolokitError(
                    f"cannot write {path}: {error.strerror or error}. Make room there; the state "
                    "before stays"
                ) from error
        else:
            trainer.save_checkpoint(path)  # takes part in the collective; rank 0 alone writes
        trainer.strategy.barrier()  # nobody ends, and has rank 0 ended, before its file is in place
        self._saved_at = time.monotonic()
        if trainer.is_global_zero:
            kept = f"stopped after saving. Continue with --resume {self.folder.path}"
            self.signals.message = kept

    def _stop(self) -> None:
        # A rank that got no signal itself ends with the others.
        self.signals.stop(self.signals.pending or signal.SIGTERM)
