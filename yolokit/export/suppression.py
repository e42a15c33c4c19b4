"""Whether suppression inside an exported graph keeps what it should, of the boxes it had.

What is kept follows from the boxes but for ties, which each library breaks in its own way. So it is
not compared with what ours keeps, but with what it must be:

1. each kept box is one that there was, with its score and class;
2. no two kept ones of a class overlap by more than the threshold;
3. of the others, each overlaps a kept one of its class that scores as much, or the list is full
   of better ones.

Shape legend: K candidates (a box and a class), M kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ExportError
from yolokit.models.export_record import NmsRecord
from yolokit.types import DecodedArrays

_SCORE = 1e-5  # rounding of two graphs in one library
_IOU = 1e-3


class _Candidates(NamedTuple):
    """boxes [K, 4] float64 input pixels, scores [K], labels [K]."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


def require_suppression(
    dense: DecodedArrays, suppressed: DecodedArrays, image_hw: tuple[int, int], nms: NmsRecord
) -> None:
    """Check what a graph with suppression gives for one picture.

    Args:
        dense: boxes [1, N, 4] and scores [1, N, C] of the same graph without it.
        suppressed: what it keeps, a score at its label's place.
        image_hw: the network input's (height, width) in pixels.
        nms: what it was made with.

    Raises:
        ExportError: it keeps what it must not, or drops what it must keep.
    """
    all_of_them = _candidates(dense, image_hw, nms.score_threshold)
    kept = _candidates(suppressed, image_hw, 0.0)
    if not _stand_for(kept, all_of_them, 1 - _IOU, _SCORE).any(1).all():
        raise _wrong("keeps a box that there was not")
    others = ~np.eye(len(kept.scores), dtype=np.bool_)
    if (others & _stand_for(kept, kept, nms.iou_threshold + _IOU)).any():
        raise _wrong("keeps two boxes of a class that overlap")
    lowest = max(nms.score_threshold, kept.scores.min() if _is_full(kept, nms) else 0.0)
    most = np.inf if nms.iou_threshold < 1 else _SCORE  # then a box stands for itself alone
    covered = _stand_for(kept, all_of_them, nms.iou_threshold - _IOU, most).any(0)
    if not (covered | (all_of_them.scores <= lowest + _SCORE)).all():
        raise _wrong("drops a box that nothing suppresses")


def _candidates(
    decoded: DecodedArrays, image_hw: tuple[int, int], score_threshold: float
) -> _Candidates:
    """What may be kept of one picture: clipped to the input, with an area, scoring enough."""
    height, width = image_hw
    boxes = decoded.boxes[0].astype(np.float64).clip(0, [width, height, width, height])
    sound = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    rows, labels = np.nonzero((decoded.scores[0] > score_threshold) & sound[:, None])
    return _Candidates(boxes[rows], decoded.scores[0][rows, labels].astype(np.float64), labels)


def _stand_for(
    kept: _Candidates, others: _Candidates, iou: float, most: float = np.inf
) -> NDArray[np.bool_]:
    """[M, K] whether one suppresses another: of its class, overlapping by more, scoring as much.

    Args:
        kept: M of them.
        others: K of them.
        iou: the overlap.
        most: that the one may score more.
    """
    ahead = kept.scores[:, None] - others.scores
    found: NDArray[np.bool_] = kept.labels[:, None] == others.labels
    return found & (ahead >= -_SCORE) & (ahead <= most) & (_iou(kept.boxes, others.boxes) > iou)


def _is_full(kept: _Candidates, nms: NmsRecord) -> bool:
    return len(kept.scores) >= nms.max_detections


def _iou(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """[M, K] of boxes [M, 4] and others [K, 4] that have an area."""
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - np.maximum(
        boxes[:, None, :2], others[:, :2]
    )
    overlap = sides.clip(min=0).prod(axis=-1)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes, others))
    iou: NDArray[np.float64] = overlap / (areas[:, None] + other_areas - overlap)
    return iou


def _wrong(what: str) -> ExportError:
    return ExportError(
        f"suppression inside the exported file {what}. Nothing was written; export without --nms, "
        "and report this with the versions of `yolokit env`"
    )
