"""What is recorded and said of a training's epochs: rows in metrics.csv, lines, the bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor

from yolokit.engine.console import LINES_APART, Console, clock_text
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.schedule import Progress
from yolokit.evaluation.coco_map import CocoMetrics

_LONG_WAIT = 0.1  # share of an epoch spent waiting for pictures that is worth a word


class EpochReport(lightning.Callback):
    """Gathers an epoch's losses and the time spent waiting for data; records and says them.

    Every epoch is a row of metrics.csv. A line have the first one, the validated ones, and others
    where nothing was said for a minute; where a person watches, a bar shows the rest.

    Args:
        folder: of the run.
        progress: of the run.
        console: where lines and the bar go.
        to_loggers: gives an epoch's numbers, its metrics and the step to the run's loggers.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        progress: Progress,
        console: Console,
        to_loggers: Callable[[dict[str, float], CocoMetrics | None, int], None],
    ) -> None:
        self.folder, self.progress, self.console = folder, progress, console
        self.to_loggers = to_loggers
        self._scored = ""  # the best AP so far, for the bar
        self._first = True
        self._began, self._share_before = 0.0, 0.0  # of this session
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

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember where this session began."""
        self._began = self.progress.clock.elapsed()
        self._share_before = self._share(trainer)

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
        if trainer.is_global_zero:
            self._show(trainer, batch_idx + 1)

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
            "epoch": epoch + 1,
            "step": trainer.global_step,
            "seconds": round(self.progress.clock.elapsed(), 1),
            "lr": trainer.optimizers[0].param_groups[-1]["lr"],
            "data_wait": round(wait, 4),
            **losses,
        }
        if metrics is not None:
            found = {"AP": metrics.AP, "AP50": metrics.AP50, "AP75": metrics.AP75}
            row |= found
            shared = trainer.world_size > 1  # every rank has the same numbers
            trainer.lightning_module.log_dict(found, logger=False, sync_dist=shared)
        if not trainer.is_global_zero:
            return
        self.folder.add_metrics(row)
        numbers = {name: float(value) for name, value in row.items() if name != "epoch"}  # type: ignore[arg-type]
        self.to_loggers(numbers, metrics, trainer.global_step)
        if metrics is not None and (best or not self._scored):
            self._scored = f"AP {metrics.AP:.3f}"
        if self._first or metrics is not None or self.console.quiet_for() >= LINES_APART:
            self.console.say(self._line(trainer, epoch, losses, wait, metrics, best))
        self._first = False

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
        terms = " ".join(f"{name} {value:.3g}" for name, value in losses.items() if name != "loss")
        loss = f"loss {losses.get('loss', float('nan')):.4g}"
        parts = [
            _epoch(trainer, epoch),
            _time(self.progress),
            f"{loss} ({terms})" if len(losses) > 2 else loss,
        ]
        if wait >= _LONG_WAIT:
            parts.append(f"data wait {wait:.0%}")
        if metrics is not None:
            mark = "  best" if best else ""
            parts.append(f"AP {metrics.AP:.3f}  AP50 {metrics.AP50:.3f}{mark}")
        return "  ".join(parts)

    def _show(self, trainer: lightning.Trainer, batches: int) -> None:
        """Move the bar; where there is none, and an epoch is long, say how far it is."""
        share, epoch = self._share(trainer), _epoch(trainer, trainer.current_epoch)
        left = self._left(share)
        if self.console.watched:
            behind = f"{clock_text(left)} left  {self._scored}"
            self.console.show(share, lambda: (f"{epoch}  {_time(self.progress)}", behind.rstrip()))
        elif self.console.quiet_for() >= LINES_APART and batches < trainer.num_training_batches:
            of = f"batch {batches} of {trainer.num_training_batches}"
            self.console.say(f"{epoch}  {of}  {_time(self.progress)}  {clock_text(left)} left")

    def _share(self, trainer: lightning.Trainer) -> float:
        return self.progress.share_of_batch(trainer.fit_loop.total_batch_idx + 1)

    def _left(self, share: float) -> float:
        """Seconds to the end of the run: by its budget, or at the pace of this session."""
        elapsed = self.progress.clock.elapsed()
        if self.progress.time_budget is not None:
            return max(0.0, self.progress.time_budget - elapsed)
        done = max(share - self._share_before, 1e-9)
        return (elapsed - self._began) * (1 - share) / done


def _epoch(trainer: lightning.Trainer, epoch: int) -> str:
    """``epoch 7/30``, counted from 1, as wide at the end as at the start."""
    total = trainer.max_epochs or 0
    return f"epoch {epoch + 1:>{len(str(total))}}/{total}" if total > 0 else f"epoch {epoch + 1:>3}"


def _time(progress: Progress) -> str:
    elapsed = clock_text(progress.clock.elapsed())
    if progress.time_budget is None:
        return elapsed
    return f"{elapsed} of {clock_text(progress.time_budget)}"
