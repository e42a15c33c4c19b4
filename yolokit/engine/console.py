"""What a person sees of a training: a line per epoch, rows in metrics.csv, a bar on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor

from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Progress
from yolokit.evaluation.coco_map import CocoMetrics


class EpochReport(lightning.Callback):
    """Gathers an epoch's losses and the time spent waiting for data; prints and records them.

    Args:
        folder: of the run.
        progress: of the run.
    """

    def __init__(self, *, folder: RunFolder, progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._waited = self._worked = 0.0
        self._turn = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The sums of the epoch under way, so that a resumed epoch's mean is whole."""
        sums = {name: float(total) for name, total in self._sums.items()}
        return {"sums": sums, "batches": self._batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the sums of the interrupted epoch."""
        self._batches = int(state_dict["batches"])
        self._sums = {name: torch.tensor(total) for name, total in state_dict["sums"].items()}

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Forget the epoch before."""
        self._sums, self._batches = {}, 0
        self._waited = self._worked = 0.0
        self._turn = time.monotonic()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """The batch is here: what passed since the last one was spent waiting."""
        now = time.monotonic()
        self._waited += now - self._turn
        self._turn = now

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up the loss terms; they stay on the device."""
        now = time.monotonic()
        self._worked += now - self._turn
        self._turn = now
        self._batches += 1
        terms = {name: term for name, term in outputs.items() if name != "loss"}
        for name, term in terms.items():  # Lightning's "loss" is divided by the accumulation
            value = term.detach().float()
            known = self._sums.get(name)
            self._sums[name] = value if known is None else known.to(value.device) + value
        share = self._waited / max(1e-9, self._waited + self._worked)
        pl_module.log("wait", share, prog_bar=True, logger=False)

    def report(
        self,
        trainer: lightning.Trainer,
        epoch: int,
        metrics: CocoMetrics | None,
        best: bool,
    ) -> None:
        """One line on the terminal, one row in metrics.csv, one point for each logger."""
        losses = self._mean_losses(trainer)
        wait = self._waited / max(1e-9, self._waited + self._worked)
        row: dict[str, object] = {
            "epoch": epoch,
            "step": trainer.global_step,
            "seconds": round(self.progress.clock.elapsed(), 1),
            "lr": trainer.optimizers[0].param_groups[-1]["lr"],
            "data_wait": round(wait, 4),
            **losses,
        }
        if metrics is not None:
            row |= {"AP": metrics.AP, "AP50": metrics.AP50, "AP75": metrics.AP75}
        if not trainer.is_global_zero:
            return
        self.folder.add_metrics(row)
        numbers = {name: float(value) for name, value in row.items() if name != "epoch"}  # type: ignore[arg-type]
        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=trainer.global_step)
        self._say(trainer, self._line(trainer, epoch, losses, wait, metrics, best))

    def _mean_losses(self, trainer: lightning.Trainer) -> dict[str, float]:
        if not self._sums:
            return {}
        means = torch.stack(list(self._sums.values())) / max(1, self._batches)
        if trainer.world_size > 1:
            means = trainer.strategy.reduce(means, reduce_op="mean")
        terms = dict(zip(self._sums, means.tolist(), strict=True))
        return {"loss": sum(terms.values()), **terms}

    def _line(
        self,
        trainer: lightning.Trainer,
        epoch: int,
        losses: dict[str, float],
        wait: float,
        metrics: CocoMetrics | None,
        best: bool,
    ) -> str:
        of = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        terms = " ".join(f"{name} {value:.3g}" for name, value in losses.items() if name != "loss")
        parts = [
            f"epoch {epoch + 1}{of}",
            f"loss {losses.get('loss', float('nan')):.4g} ({terms})",
            f"data wait {wait:.0%}",
            _minutes(self.progress),
        ]
        if metrics is not None:
            mark = " best" if best else ""
            parts.append(f"val AP {metrics.AP:.3f} AP50 {metrics.AP50:.3f}{mark}")
        return "  ".join(parts)

    def _say(self, trainer: lightning.Trainer, line: str) -> None:
        bar = trainer.progress_bar_callback
        if isinstance(bar, TQDMProgressBar) and bar.is_enabled:
            bar.print(line)
        else:
            print(line, flush=True)


def progress_bar() -> list[lightning.Callback]:
    """A bar where a person watches; log files are spared."""
    return [TQDMProgressBar(leave=False)] if sys.stderr.isatty() else []


def _minutes(progress: Progress) -> str:
    elapsed = _clock_text(progress.clock.elapsed())
    if progress.time_budget is None:
        return elapsed
    return f"{elapsed} of {_clock_text(progress.time_budget)}"


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
