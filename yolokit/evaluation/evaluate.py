"""From a detector and a data set to COCO mAP: the one path of training, ``eval`` and Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from yolokit.data.check import check_images, require_good_images
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset, collate, spare_workers, worker_init
from yolokit.evaluation.align import align_categories
from yolokit.evaluation.coco_io import load_truth
from yolokit.evaluation.coco_map import CocoMetrics, evaluate_rows
from yolokit.evaluation.rows import to_rows
from yolokit.inference.postprocess import select_detections
from yolokit.sections import PredictConfig, SplitConfig
from yolokit.types import Batch

if TYPE_CHECKING:
    from yolokit.inference.predictor import Predictor
    from yolokit.models.detector import Detector

Row = dict[str, Any]  # of a COCO results file
Progress = Callable[[Iterable[Batch]], Iterable[Batch]]


def evaluate_split(
    predictor: Predictor,
    split: SplitConfig,
    *,
    batch_size: int,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[CocoMetrics, list[Row]]:
    """Score a trained detector on a split: check it, align its categories, detect, count.

    Args:
        predictor: the detector and what it was trained for; its own thresholds are used.
        split: pictures and COCO file.
        batch_size, progress: see ``evaluate_detector``.
        workers: loading processes; None for what suits the device.

    Returns:
        The metrics and the COCO rows, in the split's own category ids.

    Raises:
        DataError: unusable annotations or pictures, or a category the model does not know.
    """
    truth = load_truth(split.annotations)
    aligned = align_categories(
        predictor.class_names, predictor.category_ids, truth, str(split.annotations)
    )
    dataset = CocoDataset.load(split, max_bad_boxes=1.0)  # the file is scored, not these boxes
    require_good_images(check_images(dataset), dataset)
    return evaluate_detector(
        predictor.detector,
        DetectionDataset(dataset, predictor.image_hw),
        truth,
        aligned,
        predict=predictor.card.predict,
        batch_size=batch_size,
        workers=spare_workers(predictor.device.type) if workers is None else workers,
        device=predictor.device,
        progress=progress,
    )


def evaluate_detector(
    detector: Detector,
    dataset: DetectionDataset,
    truth: Mapping[str, Any],
    category_ids: Sequence[int | None],
    *,
    predict: PredictConfig,
    batch_size: int,
    workers: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    shard: tuple[int, int] = (0, 1),
    gather: Callable[[list[Row]], list[Row]] = list,
) -> tuple[CocoMetrics, list[Row]]:
    """Detect on every picture of a data set and score the result against its COCO file.

    Args:
        detector: on ``device``; its train/eval mode is restored afterwards.
        dataset: pictures as prepared for evaluation, no augmentation.
        truth: the COCO file's content; boxes are scored against it, not against ``dataset``.
        category_ids: category id of each label, None for a class that ``truth`` lacks.
        predict: thresholds and the number of boxes a picture.
        batch_size: pictures a step; the number depends on it in the last bits only.
        workers: loading processes, 0 loads in this one.
        device: where the detector is.
        progress: wraps the batches, e.g. a progress bar.
        shard: (rank, ranks): this process takes every ranks-th batch. Batches are dealt out
            whole, so that the number does not depend on how many processes there are.
        gather: from this process's rows to those of all of them.

    Returns:
        The metrics, and the COCO rows they were counted from.

    Raises:
        DataError: see ``evaluate_rows``.
    """
    rank, ranks = shard
    keys = range(len(dataset))
    chunks = [list(keys[first : first + batch_size]) for first in keys[::batch_size]]
    batches: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=chunks[rank::ranks],
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=worker_init,
    )
    was_training = detector.training
    detector.eval()
    try:
        rows: list[Row] = []
        for batch in progress(batches) if progress else batches:
            rows += detect_rows(detector, batch, category_ids, predict=predict, device=device)
    finally:
        detector.train(was_training)
    rows = gather(rows)
    return evaluate_rows(truth, rows), rows


def detect_rows(
    detector: Detector,
    batch: Batch,
    category_ids: Sequence[int | None],
    *,
    predict: PredictConfig,
    device: torch.device | str,
) -> list[Row]:
    """COCO rows of one batch, in full precision whatever autocast is around.

    Args:
        detector: in eval mode, on ``device``.
        batch: pictures as prepared for evaluation.
        category_ids: category id of each label, None for a class to leave out.
        predict: thresholds and the number of boxes a picture.
        device: where the detector is.
    """
    device = torch.device(device)
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        decoded = detector.decode(detector(batch.images.to(device)))
    found = select_detections(
        decoded,
        batch.letterboxes,
        score_threshold=predict.eval_score_threshold,
        iou_threshold=predict.iou_threshold,
        max_detections=predict.max_detections,
    )
    rows: list[Row] = []
    for detections, image_id in zip(found, batch.image_ids, strict=True):
        rows += to_rows(detections, image_id, category_ids)
    return rows
