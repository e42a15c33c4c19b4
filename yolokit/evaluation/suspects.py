"""The errors that a detector is surest of, by the ids of the JSON file: often label mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.error_analysis import KINDS, Errors, Kind
from yolokit.evaluation.matching import Matching
from yolokit.types import ImageId


@dataclass(frozen=True, slots=True)
class Suspect:
    """A confident false alarm.

    Args:
        image_id: of its picture in the file.
        file_name: likewise.
        kind: of error.
        class_name: what was detected.
        score: of the detection, 0..1.
        box: xyxy in original pixels.
        annotation_id: of the object that it overlaps, or None.
        annotation_class: that object's class, empty where there is none.
        annotation_box: its box, xyxy in original pixels, or None.
    """

    image_id: ImageId
    file_name: str
    kind: Kind
    class_name: str
    score: float
    box: tuple[float, float, float, float]
    annotation_id: ImageId | None
    annotation_class: str
    annotation_box: tuple[float, float, float, float] | None = None


def suspects(matching: Matching, errors: Errors, *, most: int) -> list[Suspect]:
    """The false alarms of the highest scores, best first.

    A second detection of an object is no fault of the labels and is left out.

    Args:
        matching: of truth and detections.
        errors: of the same.
        most: how many at most.
    """
    scores = matching.detections.scores
    odd = np.flatnonzero((errors.kinds >= 0) & (errors.kinds != KINDS.index("Dupe")))
    best = odd[np.argsort(-scores[odd], kind="stable")][:most]
    names, images = matching.class_names, matching.image_rows
    return [_suspect(matching, errors, row, names, images) for row in best.tolist()]


def _suspect(
    matching: Matching,
    errors: Errors,
    row: int,
    names: dict[int, str],
    images: dict[int, int],
) -> Suspect:
    found, tree = matching.detections, matching.tree
    image = images[int(found.images[row])]
    meant = int(errors.meant[row])
    return Suspect(
        image_id=tree.image_ids[image],
        file_name=tree.file_names[image],
        kind=KINDS[int(errors.kinds[row])],
        class_name=names[int(found.categories[row])],
        score=float(found.scores[row]),
        box=_corners(found.boxes_xywh[row]),
        annotation_id=tree.annotation_id(int(matching.tree_rows[meant])) if meant >= 0 else None,
        annotation_class=names[int(matching.truth.categories[meant])] if meant >= 0 else "",
        annotation_box=_corners(matching.truth.boxes_xywh[meant]) if meant >= 0 else None,
    )


def _corners(box_xywh: NDArray[np.float64]) -> tuple[float, float, float, float]:
    x, y, width, height = box_xywh.tolist()
    return x, y, x + width, y + height
