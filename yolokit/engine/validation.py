"""Validation during training: the walk of ``yolokit eval``, shared among the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from yolokit.config import PredictConfig
from yolokit.data.loading import DetectionDataset, collate, worker_init
from yolokit.evaluation.coco_map import CocoMetrics, evaluate_rows
from yolokit.evaluation.evaluate import detect_rows
from yolokit.models.detector import Detector
from yolokit.types import Batch


class Validator:
    """Scores a detector on a split; every rank takes its share of the batches.

    The batches are those of a single process, dealt out whole, so that the number does not
    depend on how many processes there are.

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
        device = next(detector.parameters()).device
        _share_statistics(detector)
        was_training = detector.training
        detector.eval()
        try:
            rows = [row for batch in self._batches() for row in self._rows(detector, batch, device)]
        finally:
            detector.train(was_training)
        return evaluate_rows(self.truth, _gathered(rows))

    def _batches(self) -> Iterator[Batch]:
        count, size = len(self.dataset), self.batch_size
        chunks = [
            [(0, index) for index in range(first, min(first + size, count))]
            for first in range(0, count, size)
        ]
        rank, world_size = _place()
        loader: Any = DataLoader(
            self.dataset,
            batch_sampler=chunks[rank::world_size],
            collate_fn=collate,
            num_workers=self.workers,
            worker_init_fn=worker_init,
        )
        yield from loader

    def _rows(self, detector: Detector, batch: Batch, device: torch.device) -> list[dict[str, Any]]:
        return detect_rows(detector, batch, self.category_ids, predict=self.predict, device=device)


def _place() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _share_statistics(detector: Detector) -> None:
    """Give every rank the first one's batch-norm statistics: each has seen its own pictures."""
    if _place()[1] > 1:
        for buffer in detector.buffers():
            dist.broadcast(buffer, src=0)


def _gathered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    world_size = _place()[1]
    if world_size == 1:
        return rows
    parts: list[list[dict[str, Any]]] = [[] for _ in range(world_size)]
    dist.all_gather_object(parts, rows)
    return [row for part in parts for row in part]
