"""Validation during training: the walk of ``yolokit eval``, shared among the ranks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning
import torch.distributed as dist
from lightning.pytorch.callbacks import WeightAveraging

from yolokit.data.coco_tree import CocoTree
from yolokit.data.pictures import PreparedPictures
from yolokit.engine.module import DetectionModule
from yolokit.engine.schedule import Progress
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import Row, evaluate_backend
from yolokit.inference.torch_backend import evaluating
from yolokit.models.detector import Detector
from yolokit.sections import PredictConfig


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
        # An equal AP is the later model's: it has been annealed further. NaN is no AP.
        best = ap >= self.best_ap
        self.best_ap = ap if best else self.best_ap
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


class Validator:
    """Scores a detector on a split; every rank takes its share of the batches.

    Args:
        dataset: its pictures, as the network is fed.
        truth: the split's COCO file.
        category_ids: the file's, of each label; None for a class that it does not list.
        predict: thresholds.
        batch_size: pictures a step.
        workers: threads that decode ahead of the network.
    """

    def __init__(
        self,
        *,
        dataset: PreparedPictures,
        truth: CocoTree,
        category_ids: list[int | None],
        predict: PredictConfig,
        batch_size: int,
        workers: int,
    ) -> None:
        self.dataset, self.truth, self.category_ids = dataset, truth, category_ids
        self.predict, self.batch_size, self.workers = predict, batch_size, workers

    def __call__(self, detector: Detector) -> CocoMetrics:
        """The split's metrics, the same on every rank."""
        _share_statistics(detector)
        metrics, _ = self._evaluate(detector, _place(), _gathered)
        return metrics

    def score_alone(self, detector: Detector) -> tuple[CocoMetrics, list[Row]]:
        """The whole split's metrics and COCO rows by this process, whatever the others do."""
        return self._evaluate(detector, (0, 1), list)

    def _evaluate(
        self,
        detector: Detector,
        shard: tuple[int, int],
        gather: Callable[[list[Row]], list[Row]],
    ) -> tuple[CocoMetrics, list[Row]]:
        with evaluating(detector) as backend:
            return evaluate_backend(
                backend,
                self.dataset,
                self.truth,
                self.category_ids,
                predict=self.predict,
                batch_size=self.batch_size,
                workers=self.workers,
                shard=shard,
                gather=gather,
            )


def _place() -> tuple[int, int]:
    """This rank, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _share_statistics(detector: Detector) -> None:
    """Give every rank the first one's batch-norm statistics: each has seen its own pictures."""
    if _place()[1] > 1:
        for buffer in detector.buffers():
            dist.broadcast(buffer, src=0)


def _gathered(rows: list[Row]) -> list[Row]:
    ranks = _place()[1]
    if ranks == 1:
        return rows
    parts: list[list[Row]] = [[] for _ in range(ranks)]
    dist.all_gather_object(parts, rows)
    return [row for part in parts for row in part]
