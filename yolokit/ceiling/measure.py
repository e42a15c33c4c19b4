"""The score of a configured detector that predicts all that its head can predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from yolokit.ceiling.head import CAUSES, HeadCeiling, head_ceiling
from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.coco_map import CocoMetrics, evaluate_rows
from yolokit.evaluation.rows import to_rows
from yolokit.heads.family import family_of
from yolokit.inference.postprocess import select_detections
from yolokit.ops.iou import iou
from yolokit.ops.letterbox import fit_letterbox
from yolokit.sections import PredictConfig
from yolokit.types import DecodedBoxes, Detections, Letterbox

LOSSES = (*CAUSES, "suppressed", "over_limit")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoredCeiling:
    """What a configured detector can reach on a split at best.

    Args:
        metrics: COCO's, of the detections it then makes.
        boxes: [C] truths of each class, without crowds.
        losses: cause -> [C] truths of each class that it costs, see ``HeadCeiling``;
            ``suppressed``: dropped for a neighbour of their class; ``over_limit``: beyond the
            number of detections a picture may have.
        narrow: [C] truths of each class that are narrower than a cell of the finest grid.
        finest: the side of such a cell, input pixels.
    """

    metrics: CocoMetrics
    boxes: NDArray[np.int64]
    losses: dict[str, NDArray[np.int64]]
    narrow: NDArray[np.int64]
    finest: float


def measure_ceiling(dataset: CocoDataset, truth: CocoTree, config: Config) -> ScoredCeiling:
    """Score the best that the configured head, input size and prediction can do.

    Every truth that has a cell is found there, as well as the head's code can hold it; its score
    is the overlap it reaches. The boxes then go the way of all predictions: suppression of
    neighbours, the limit per picture, back to the original picture.

    Args:
        dataset: the split.
        truth: its annotation file, see ``load_truth``.
        config: ``model``, ``data.image_size`` and ``predict`` count.
    """
    family = family_of(config.model.head)
    ceiling = head_ceiling(dataset, family, image_hw=config.data.image_hw)
    classes = len(dataset.class_names)
    lost = {name: np.zeros(classes, dtype=np.int64) for name in ("suppressed", "over_limit")}
    rows = []
    for index in range(len(dataset)):
        predicted, letterbox = _predicted(dataset, ceiling, index, config)
        found = _found(predicted, letterbox, config.predict, classes)
        kept = _first(found, config.predict.max_detections)
        for name, before, after in (
            ("suppressed", predicted.labels, found.labels),
            ("over_limit", found.labels, kept.labels),
        ):
            lost[name] += np.bincount(before, minlength=classes)
            lost[name] -= np.bincount(after, minlength=classes)
        rows += to_rows(kept, dataset.image_id(index), dataset.own_ids)
    causes = {name: _by_class(dataset, getattr(ceiling, name)) for name in CAUSES}
    return ScoredCeiling(
        metrics=evaluate_rows(truth, rows, quick=True),
        boxes=_by_class(dataset, ~dataset.crowd),
        losses={**causes, **lost},
        narrow=_by_class(dataset, ceiling.narrow),
        finest=family.finest_cell(config.data.image_hw),
    )


def _predicted(
    dataset: CocoDataset, ceiling: HeadCeiling, index: int, config: Config
) -> tuple[Detections, Letterbox]:
    """What is predicted of one picture in input pixels, scored by overlap."""
    rows = np.arange(dataset.box_offsets[index], dataset.box_offsets[index + 1])
    rows = rows[ceiling.overlaps[rows] > 0]
    height, width = dataset.sizes_hw[index].tolist()
    letterbox = fit_letterbox((height, width), config.data.image_hw)
    predicted = Detections(ceiling.boxes[rows], ceiling.overlaps[rows], dataset.labels[rows])
    return predicted, letterbox


def _found(
    predicted: Detections, letterbox: Letterbox, predict: PredictConfig, classes: int
) -> Detections:
    """What prediction leaves of one picture's boxes, the limit apart.

    Where scores are equal, boxes that overlap few others come first: that keeps the most.
    """
    boxes, labels = torch.from_numpy(predicted.boxes), torch.from_numpy(predicted.labels)
    rivals = (iou(boxes[:, None], boxes) > predict.iou_threshold) & (labels[:, None] == labels)
    order = torch.argsort(rivals.sum(1), stable=True)
    scores = torch.zeros(len(boxes), classes)
    scores[torch.arange(len(boxes)), labels] = torch.from_numpy(predicted.scores)
    (found,) = select_detections(
        DecodedBoxes(boxes[order][None], scores[order][None]).numpy(),
        [letterbox],
        score_threshold=predict.eval_score_threshold,
        iou_threshold=predict.iou_threshold,
        max_detections=max(1, len(boxes)),
    )
    return found


def _first(found: Detections, count: int) -> Detections:
    return Detections(found.boxes[:count], found.scores[:count], found.labels[:count])


def _by_class(dataset: CocoDataset, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(dataset.labels[mask], minlength=len(dataset.class_names))
