"""From detections to COCO result rows, and back from truth to rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from yolokit.types import Detections, ImageId


def to_rows(
    detections: Detections, image_id: ImageId, category_ids: Sequence[int | None]
) -> list[dict[str, Any]]:
    """COCO result rows of one picture: corner format, the data set's own category ids.

    Args:
        detections: of one picture, original pixels.
        image_id: the picture's id in the COCO file.
        category_ids: category id of each label; None for a class the data set does not have,
            whose detections are left out.

    Returns:
        Rows of plain numbers, best first; an empty list where nothing was found.
    """
    corners = detections.boxes.astype(np.float64)  # float64: x + width stays the far corner
    corners[:, 2:] -= corners[:, :2]
    rows = []
    for box, score, label in zip(
        corners.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True
    ):
        category_id = category_ids[label]
        if category_id is not None:
            rows.append(
                {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}
            )
    return rows
