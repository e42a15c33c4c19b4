"""Truth and detections matched once, at IoU .50: what every analysis of errors starts from.

Shape legend: T annotations that can be scored, D result rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco_tree import CocoTree
from yolokit.evaluation.evaluators import match
from yolokit.evaluation.tables import BoxTable, category_ranks, image_ranks, scoring_tables

MATCH_IOU = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Matching:
    """Which detection found which object, class by class and best first, as COCO matches.

    A greedy matching goes from the best score down, so that what is below a score threshold changes
    nothing above it: cut by ``detections.scores``, this is the matching at every threshold.

    Args:
        tree: the truth's file.
        truth: its T annotations that can be scored, in file order.
        detections: the D result rows.
        partner: [D] row of ``truth`` that a detection found, or -1; of an ignored one as well.
        finder: [T] row of ``detections`` that found an object, or -1.
        ignored: [D] bool, neither right nor wrong: it lies on a crowd, or is beyond the best
            hundred of its class in its picture (then it has no partner).
    """

    tree: CocoTree
    truth: BoxTable
    detections: BoxTable
    partner: NDArray[np.int64]
    finder: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """[D] whether a detection found an object."""
        return ~self.ignored & (self.partner >= 0)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """[D] whether a detection is a false alarm."""
        return ~self.ignored & (self.partner < 0)

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """[T] whether an object has to be found: all but crowds."""
        return ~self.truth.crowd

    @property
    def tree_rows(self) -> NDArray[np.int64]:
        """[T] row of the file's annotations that each truth is."""
        return np.flatnonzero(self.tree.scorable)

    @property
    def class_names(self) -> dict[int, str]:
        """The name of each number of ``categories``, in order."""
        ranks = category_ranks(self.tree).tolist()
        return dict(sorted(zip(ranks, self.tree.category_names, strict=True)))

    @property
    def image_rows(self) -> dict[int, int]:
        """Row of the file's pictures of each number of ``images``."""
        return {rank: row for row, rank in enumerate(image_ranks(self.tree).tolist())}


def match_rows(
    truth: CocoTree, rows: Sequence[Mapping[str, Any]], *, iou_threshold: float = MATCH_IOU
) -> Matching:
    """Match result rows with the truth as pycocotools does at one IoU.

    Args:
        truth: a COCO annotation file.
        rows: COCO result rows; may be empty.
        iou_threshold: overlap from which a detection may be right, 0..1.

    Raises:
        DataError: as ``evaluate_rows``.
    """
    tables = scoring_tables(truth, rows)
    partner = np.full(len(tables.detections), -1, dtype=np.int64)
    finder = np.full(len(tables.truth), -1, dtype=np.int64)
    ignored = np.ones(len(tables.detections), dtype=bool)  # until a record names them
    for record in match(tables, iou_threshold=iou_threshold):
        found = np.asarray(record["dtIds"], dtype=np.int64) - 1
        partner[found] = np.asarray(record["dtMatches"][0], dtype=np.int64) - 1
        ignored[found] = np.asarray(record["dtIgnore"][0], dtype=bool)
        objects = np.asarray(record["gtIds"], dtype=np.int64) - 1
        finder[objects] = np.asarray(record["gtMatches"][0], dtype=np.int64) - 1
    return Matching(
        tree=truth,
        truth=tables.truth,
        detections=tables.detections,
        partner=partner,
        finder=np.where(tables.truth.crowd, -1, finder),
        ignored=ignored,
    )


def rows_by_image(side: BoxTable) -> dict[int, NDArray[np.int64]]:
    """The rows of each picture that has any, in their order."""
    order = np.argsort(side.images, kind="stable")
    images, first = np.unique(side.images[order], return_index=True)
    parts = np.split(order, first[1:])
    return dict(zip(images.tolist(), parts, strict=True)) if len(order) else {}


def overlaps(
    first_xywh: NDArray[np.float64], second_xywh: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[N, M] IoU of boxes [N, 4] and [M, 4]; 0 where both have no area."""
    first, second = first_xywh[:, None], second_xywh[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=-1)
    union = first[..., 2:].prod(axis=-1) + second[..., 2:].prod(axis=-1) - shared
    iou: NDArray[np.float64] = np.zeros_like(shared)
    np.divide(shared, union, out=iou, where=union > 0)
    return iou
