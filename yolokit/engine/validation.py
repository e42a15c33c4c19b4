"""When a model in training is scored, and which one is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
from lightning.pytorch.callbacks import WeightAveraging

from yolokit.engine.devices import is_scored_in_bf16
from yolokit.engine.module import DetectionModule
from yolokit.engine.schedule import Progress
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.models.detector import Detector

_MEASURED_AT = 0.05  # share of the training: rates have climbed, scores are no longer all alike


class Validation(lightning.Callback):
    """Scores the (averaged) model every few epochs and keeps the best.

    Without a validation split the latest model is kept instead. Under a time budget a validation
    that would leave no time for the last one is left out.

    Args:
        evaluate: scores a detector, or None without a validation split.
        kept: whether the best model so far is still where it was written.
        expected_seconds: what scoring the whole split takes one process, from a slice of it.
        save: writes the model file: detector, epoch, its metrics.
        report: prints and records an epoch's numbers.
        every: epochs between validations; the last epoch always has one.
        patience: validations without a better AP before the run ends, or None.
        progress: of the run; its reserve is made to last for what is left when training ends.
        ema: the averaging callback, or None.
        say: prints a line.
    """

    def __init__(
        self,
        *,
        evaluate: Callable[[Detector], CocoMetrics] | None,
        kept: Callable[[], bool],
        expected_seconds: Callable[[Detector, Callable[[], float]], float] | None = None,
        save: Callable[[Detector, int, CocoMetrics | None], None],
        report: Callable[[lightning.Trainer, int, CocoMetrics | None, bool], None],
        every: int,
        patience: int | None,
        progress: Progress,
        ema: WeightAveraging | None,
        say: Callable[[str], None],
    ) -> None:
        self.evaluate, self.save, self.report, self.say = evaluate, save, report, say
        self.kept = kept
        self.expected_seconds = expected_seconds
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

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Where somebody has taken the best model away, the next one is the best there is."""
        if not trainer.strategy.broadcast(self.kept()):
            self.best_ap = -1.0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Under a time budget, measure early what is to be kept back for the last validation."""
        if self.progress.share_of_batch(trainer.fit_loop.total_batch_idx) >= _MEASURED_AT:
            self._measure(trainer, self._averaged(pl_module))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Validate when due, keep the model if it is the best, report the epoch."""
        epoch = trainer.current_epoch
        last = trainer.should_stop or epoch + 1 == trainer.max_epochs
        detector = self._averaged(pl_module)
        due = last or ((epoch + 1) % self.every == 0 and self._fits(trainer, detector))
        metrics, best = None, False
        if self.evaluate is None:
            if due:
                self.save(detector, epoch, None)
        elif due:
            started = self.progress.clock.now()
            metrics = self.evaluate(detector)
            seconds = self.progress.clock.now() - started
            self._reserve(trainer, seconds, alone=trainer.world_size * seconds)
            best = self._note(metrics.AP, trainer)
            if best or self.best_ap < 0:  # where no AP is a number the latest model is kept
                self.save(detector, epoch, metrics)
        self.report(trainer, epoch, metrics, best)
        if not last and self._out_of_patience() and trainer.is_global_zero:
            than = f" than {self.best_ap:.3f}" if self.best_ap >= 0 else ""
            self.say(
                f"stopped early: {self.since_best} validations without a better AP{than} "
                f"(train.early_stopping {self.patience})"
            )

    def _fits(self, trainer: lightning.Trainer, detector: Detector) -> bool:
        self._measure(trainer, detector)
        return self.progress.validation_fits()

    def _measure(self, trainer: lightning.Trainer, detector: Detector) -> None:
        """Estimate from a slice what a validation takes, once, where a budget is to be kept."""
        budget, known = self.progress.time_budget, self.progress.validation
        if budget is None or known is not None or self.expected_seconds is None:
            return
        seconds = self.expected_seconds(detector, self.progress.clock.now)
        self._reserve(trainer, seconds / trainer.world_size, alone=seconds)
        if not self.progress.has_room() and trainer.is_global_zero:
            self.say(
                f"note    scoring the validation pictures takes about {seconds:.0f} s, more than a "
                f"time budget of {budget:g} s leaves: the run will take longer. Give data.val "
                "fewer pictures or raise train.time_budget"
            )

    def _reserve(self, trainer: lightning.Trainer, seconds: float, *, alone: float) -> None:
        """Keep back a validation by all, and what the first process scores alone at the end."""
        times = 1 + is_scored_in_bf16(trainer.strategy.root_device)
        self.progress.reserve_for(validation=seconds, report=times * alone)

    def _note(self, ap: float, trainer: lightning.Trainer) -> bool:
        """Count a validation; whether its model is to be kept."""
        better = ap > self.best_ap  # never, where the AP is not a number
        # Of equals the later is kept: it has been annealed further. It is no progress, though.
        kept = ap >= self.best_ap
        self.best_ap = ap if better else self.best_ap
        self.since_best = 0 if better else self.since_best + 1
        if self._out_of_patience():
            trainer.should_stop = True
        return kept

    def _out_of_patience(self) -> bool:
        return self.patience is not None and self.since_best >= self.patience

    def _averaged(self, module: DetectionModule) -> Detector:
        if self.ema is None or self.ema._average_model is None:
            return module.detector
        averaged = self.ema._average_model.module.detector
        assert isinstance(averaged, Detector)
        return averaged
