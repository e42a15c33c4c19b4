"""Validation during training: the walk of ``yolokit eval``, shared among the ranks."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace

import numpy as np
import torch.distributed as dist

from yolokit.data.coco_tree import CocoTree
from yolokit.data.pictures import PreparedPicture, PreparedPictures
from yolokit.engine.ranks import rank_of
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import Row, evaluate_backend
from yolokit.inference.backend import Backend
from yolokit.inference.torch_backend import evaluating
from yolokit.models.detector import Detector
from yolokit.sections import PredictConfig
from yolokit.types import ImageId

_SLICE = 3  # batches from which a validation's cost is estimated; the first one warms up


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
        with evaluating(detector) as backend:
            metrics, _ = self._evaluate(backend, shard=rank_of(), gather=_gathered, quick=True)
        return metrics

    def expected_seconds(self, detector: Detector, now: Callable[[], float]) -> float:
        """What scoring the whole split takes this process alone, estimated from its first batches.

        Args:
            detector: its train/eval mode is restored afterwards.
            now: the time in seconds.
        """
        total = len(self.dataset)
        warm_up = self.batch_size if total > self.batch_size else 0
        end = min(total, _SLICE * self.batch_size)
        if warm_up:
            self._score_slice(detector, range(warm_up))
        started = now()
        self._score_slice(detector, range(warm_up, end))
        return (now() - started) * total / (end - warm_up)

    def _score_slice(self, detector: Detector, indices: range) -> None:
        pictures = _Slice(self.dataset, indices)
        ids = {self.dataset.data.image_ids[index] for index in indices}
        with evaluating(detector) as backend:
            self._evaluate(backend, part=(pictures, _truth_of(self.truth, ids)), quick=True)

    def score_alone(self, detector: Detector) -> tuple[CocoMetrics, list[Row]]:
        """The whole split's metrics and COCO rows by this process, whatever the others do."""
        with evaluating(detector) as backend:
            return self._evaluate(backend, quick=False)

    def score_backend(self, backend: Backend) -> CocoMetrics:
        """The whole split's metrics of any network by this process."""
        metrics, _ = self._evaluate(backend, quick=True)
        return metrics

    def _evaluate(
        self,
        backend: Backend,
        *,
        part: tuple[_Slice, CocoTree] | None = None,
        shard: tuple[int, int] = (0, 1),
        gather: Callable[[list[Row]], list[Row]] = list,
        quick: bool,
    ) -> tuple[CocoMetrics, list[Row]]:
        pictures, truth = part or (self.dataset, self.truth)
        return evaluate_backend(
            backend,
            pictures,
            truth,
            self.category_ids,
            predict=self.predict,
            batch_size=self.batch_size,
            workers=self.workers,
            shard=shard,
            gather=gather,
            quick=quick,
        )


class _Slice:
    """Some of the prepared pictures."""

    def __init__(self, pictures: PreparedPictures, indices: range) -> None:
        self.pictures, self.indices = pictures, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> PreparedPicture:
        return self.pictures[self.indices[index]]


def _share_statistics(detector: Detector) -> None:
    """Give every rank the first one's batch-norm statistics: each has seen its own pictures."""
    if rank_of()[1] > 1:
        for buffer in detector.buffers():
            dist.broadcast(buffer, src=0)


def _gathered(rows: list[Row]) -> list[Row]:
    ranks = rank_of()[1]
    if ranks == 1:
        return rows
    parts: list[list[Row]] = [[] for _ in range(ranks)]
    dist.all_gather_object(parts, rows)
    return [row for part in parts for row in part]


def _truth_of(truth: CocoTree, image_ids: Set[ImageId]) -> CocoTree:
    """The part of a COCO file that is about some pictures."""
    images = [row for row, each in enumerate(truth.image_ids) if each in image_ids]
    place = np.full(len(truth.image_ids), -1, dtype=np.int64)
    place[images] = np.arange(len(images))
    rows = np.flatnonzero(np.isin(truth.image_index, images))
    return replace(
        truth,
        image_ids=tuple(truth.image_ids[row] for row in images),
        file_names=tuple(truth.file_names[row] for row in images),
        sizes_hw=truth.sizes_hw[images],
        image_index=place[truth.image_index[rows]],
        category_index=truth.category_index[rows],
        boxes_xywh=truth.boxes_xywh[rows],
        areas=truth.areas[rows],
        crowd=truth.crowd[rows],
        turned=truth.turned[rows],
        problems=truth.problems[rows],
        annotation_ids=truth.annotation_ids[rows],
        odd_ids={},
    )
