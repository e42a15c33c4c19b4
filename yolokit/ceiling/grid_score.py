"""The score of a detector that finds, perfectly, all that its grid can hold."""

from __future__ import annotations

import numpy as np

from yolokit.ceiling.grid import GridCeiling
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.coco_map import CocoMetrics, evaluate_rows
from yolokit.evaluation.rows import to_rows
from yolokit.types import Detections


def score_ceiling(dataset: CocoDataset, ceiling: GridCeiling, truth: CocoTree) -> CocoMetrics:
    """COCO metrics when each kept box is detected exactly, with score 1, and nothing else is.

    A box that reaches outside its picture is detected as far as the picture goes.

    Args:
        dataset: the split.
        ceiling: of that split.
        truth: the split's annotation file, see ``load_truth``.
    """
    rows = []
    for index in range(len(dataset)):
        owned = slice(dataset.box_offsets[index], dataset.box_offsets[index + 1])
        kept = ceiling.kept[owned]
        boxes, labels, _ = dataset.truth(index)
        perfect = Detections(
            boxes=boxes[kept],
            scores=np.ones(int(kept.sum()), dtype=np.float32),
            labels=labels[kept],
        )
        rows += to_rows(perfect, dataset.image_id(index), dataset.own_ids)
    return evaluate_rows(truth, rows, quick=True)
