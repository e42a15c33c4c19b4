"""Which class is taken for which: one matrix, with background on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.matching import MATCH_IOU, Matching, overlaps, rows_by_image


def confusion_matrix(matching: Matching, *, threshold: float) -> NDArray[np.int64]:
    """Objects by their class and the class that they were detected as.

    What COCO's matching pairs, class by class, is the diagonal, so that it agrees with precision
    and recall. What is left over is paired across classes: the best score first, with the object of
    most overlap, from IoU .50. The rest is background.

    Args:
        matching: of truth and detections.
        threshold: detections that score more are looked at.

    Returns:
        [K + 1, K + 1] counts: rows are the truth, columns the detections, both in order of category
        id, background last. Crowds, and detections on them, are left out.
    """
    count = len(matching.tree.category_ids)
    matrix = np.zeros((count + 1, count + 1), dtype=np.int64)
    scores = matching.detections.scores
    kept = scores > threshold
    right = matching.right & kept
    np.add.at(matrix, (matching.detections.categories[right] - 1,) * 2, 1)
    finder_kept = (matching.finder >= 0) & kept[matching.finder] if len(kept) else np.zeros(0, bool)
    missed = matching.wanted & ~finder_kept if len(kept) else matching.wanted
    false = matching.wrong & kept
    truths, found = rows_by_image(matching.truth), rows_by_image(matching.detections)
    for image in truths.keys() | found.keys():
        objects = truths.get(image, np.zeros(0, np.int64))
        alarms = found.get(image, np.zeros(0, np.int64))
        objects, alarms = objects[missed[objects]], alarms[false[alarms]]
        _pair(matching, objects, alarms[np.argsort(-scores[alarms], kind="stable")], matrix)
    return matrix


def _pair(
    matching: Matching,
    objects: NDArray[np.int64],
    alarms: NDArray[np.int64],
    matrix: NDArray[np.int64],
) -> None:
    """Count one picture's missed objects and false alarms, those that overlap as one."""
    truth, detections = matching.truth, matching.detections
    background = len(matrix) - 1
    iou = overlaps(detections.boxes_xywh[alarms], truth.boxes_xywh[objects])
    # A false alarm on a missed object of its own class overlaps too little, whatever IoU says.
    iou[detections.categories[alarms][:, None] == truth.categories[objects][None]] = 0
    free = np.ones(len(objects), dtype=bool)
    for alarm, row in zip(alarms, iou, strict=True):
        column = detections.categories[alarm] - 1
        place = int(np.argmax(np.where(free, row, -1))) if free.any() else -1
        if place >= 0 and row[place] >= MATCH_IOU:
            free[place] = False
            matrix[truth.categories[objects[place]] - 1, column] += 1
        else:
            matrix[background, column] += 1
    np.add.at(matrix[:, background], truth.categories[objects[free]] - 1, 1)
