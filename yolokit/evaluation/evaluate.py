"""From a network and a data set to COCO mAP: the one path of training, ``eval`` and Python.

Needs no torch: the network is behind ``Backend``, pictures are decoded in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from yolokit.data.check import check_images, require_good_images
from yolokit.data.classes import align_categories
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.data.pictures import PreparedPicture, PreparedPictures
from yolokit.data.prepare import together
from yolokit.data.read_ahead import decoding_threads, read_ahead
from yolokit.evaluation.coco_io import load_split
from yolokit.evaluation.coco_map import CocoMetrics, evaluate_rows
from yolokit.evaluation.rows import to_rows
from yolokit.inference.backend import Backend
from yolokit.inference.postprocess import require_numbers, select_detections
from yolokit.inference.predictor import Predictor
from yolokit.sections import PredictConfig, SplitConfig

Row = dict[str, Any]  # of a COCO results file
Batch = list[PreparedPicture]
Progress = Callable[[Iterable[Batch]], Iterable[Batch]]


class Pictures(Protocol):
    """Prepared pictures by index; ``PreparedPictures`` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> PreparedPicture: ...


class Evaluated(NamedTuple):
    """A scored split: its numbers, the COCO rows in its own category ids, and what it holds."""

    metrics: CocoMetrics
    rows: list[Row]
    dataset: CocoDataset


def evaluate_split(
    predictor: Predictor,
    split: SplitConfig,
    *,
    batch_size: int,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """Score a trained detector on a split: check it, align its categories, detect, count.

    Args:
        predictor: the detector and what it was trained for; its own thresholds are used.
        split: pictures and labels.
        batch_size, progress: see ``evaluate_backend``.
        workers: decoding threads; None for what suits the device.

    Raises:
        DataError: unusable annotations or pictures, or a category the model does not know.
        WeightsError: the model's outputs are not numbers.
    """
    truth = load_split(split)
    aligned = align_categories(predictor.class_names, predictor.category_ids, truth)
    dataset = CocoDataset.of(truth, split)  # the file is scored, not these boxes
    require_good_images(check_images(dataset), dataset)
    metrics, rows = evaluate_backend(
        predictor.backend,
        PreparedPictures(dataset, predictor.image_hw),
        truth,
        aligned,
        predict=predictor.card.predict,
        batch_size=batch_size,
        workers=decoding_threads(predictor.device) if workers is None else workers,
        progress=progress,
    )
    return Evaluated(metrics, rows, dataset)


def evaluate_backend(
    backend: Backend,
    pictures: Pictures,
    truth: CocoTree,
    category_ids: Sequence[int | None],
    *,
    predict: PredictConfig,
    batch_size: int,
    workers: int = 0,
    progress: Progress | None = None,
    shard: tuple[int, int] = (0, 1),
    gather: Callable[[list[Row]], list[Row]] = list,
    quick: bool = False,
) -> tuple[CocoMetrics, list[Row]]:
    """Detect on every picture of a data set and score the result against its COCO file.

    Args:
        backend: runs the network.
        pictures: as prepared for its input.
        truth: the COCO file; boxes are scored against it, not against the data set's.
        category_ids: category id of each label, None for a class that ``truth`` lacks.
        predict: thresholds and the number of boxes a picture.
        batch_size: pictures a step; the number depends on it in the last bits only.
        workers: threads that decode ahead of the network; 0 decodes in between.
        progress: wraps the batches, whose number ``len`` tells, e.g. a progress bar.
        shard: (rank, ranks): this process takes every ranks-th batch. Batches are dealt out
            whole, so that the number does not depend on how many processes there are.
        gather: from this process's rows to those of all of them.
        quick: see ``evaluate_rows``.

    Returns:
        The metrics, and the COCO rows they were counted from.

    Raises:
        DataError: see ``evaluate_rows``.
        WeightsError: the network's outputs are not numbers.
    """
    batches = _Batches(pictures, batch_size, shard, workers)
    rows: list[Row] = []
    for batch in progress(batches) if progress else batches:
        rows += detect_rows(backend, batch, category_ids, predict=predict)
    rows = gather(rows)
    return evaluate_rows(truth, rows, quick=quick), rows


def detect_rows(
    backend: Backend,
    batch: Batch,
    category_ids: Sequence[int | None],
    *,
    predict: PredictConfig,
) -> list[Row]:
    """COCO rows of one batch.

    Args:
        backend: runs the network.
        batch: prepared pictures, at least one.
        category_ids: category id of each label, None for a class to leave out.
        predict: thresholds and the number of boxes a picture.

    Raises:
        WeightsError: the network's outputs are not numbers.
    """
    decoded = backend(
        together([picture.image for picture in batch]),
        score_threshold=predict.eval_score_threshold,
        iou_threshold=predict.iou_threshold,
    )
    found = select_detections(
        require_numbers(decoded),
        [picture.letterbox for picture in batch],
        score_threshold=predict.eval_score_threshold,
        iou_threshold=predict.iou_threshold,
        max_detections=predict.max_detections,
    )
    rows: list[Row] = []
    for detections, picture in zip(found, batch, strict=True):
        rows += to_rows(detections, picture.image_id, category_ids)
    return rows


class _Batches:
    """This process's share of the pictures, batch by batch, decoded ahead of being asked for."""

    def __init__(
        self, pictures: Pictures, batch_size: int, shard: tuple[int, int], threads: int
    ) -> None:
        rank, ranks = shard
        keys = range(len(pictures))
        chunks = [keys[first : first + batch_size] for first in keys[::batch_size]]
        self.sizes = [len(chunk) for chunk in chunks[rank::ranks]]
        self._keys = [key for chunk in chunks[rank::ranks] for key in chunk]
        self._pictures, self._threads, self._ahead = pictures, threads, batch_size

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        decoded = read_ahead(
            self._pictures.__getitem__, self._keys, threads=self._threads, ahead=self._ahead
        )
        for size in self.sizes:
            yield list(islice(decoded, size))
