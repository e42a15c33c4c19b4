"""Validation during training: the walk of ``yolokit eval``, shared among the ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed as dist

from yolokit.config import PredictConfig
from yolokit.data.loading import DetectionDataset
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import Row, evaluate_detector
from yolokit.models.detector import Detector


class Validator:
    """Scores a detector on a split; every rank takes its share of the batches.

    Args:
        dataset: prepared without augmentation.
        truth: the split's COCO file.
        category_ids: of each label.
        predict: thresholds.
        batch_size: pictures a step.
        workers: loading processes.
    """

    def __init__(
        self,
        *,
        dataset: DetectionDataset,
        truth: dict[str, Any],
        category_ids: list[int],
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
        return evaluate_detector(
            detector,
            self.dataset,
            self.truth,
            self.category_ids,
            predict=self.predict,
            batch_size=self.batch_size,
            workers=self.workers,
            device=next(detector.parameters()).device,
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
