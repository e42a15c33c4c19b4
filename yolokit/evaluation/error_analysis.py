"""Where AP50 is lost: the six kinds of error of TIDE, each with the AP that it costs.

Bolya, Foley, Hays, Hoffman: TIDE, a general toolbox for identifying object detection errors, ECCV
2020. Every false alarm is of one kind, and every object that is neither found nor meant by a Cls or
Loc error is a Miss. What a kind costs is what AP50 gains when an oracle mends that kind alone
(section 2.3); the gains do not add up to what is missing, but all oracles together give AP50 1.

Shape legend: T annotations that can be scored, D result rows, K categories.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from yolokit.evaluation.average_precision import precision_at_recalls
from yolokit.evaluation.matching import MATCH_IOU, Matching, overlaps, rows_by_image

Kind = Literal["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BACKGROUND_IOU = 0.1  # up to which a box is said to lie on nothing
_NONE, _CLS, _LOC, _BOTH, _DUPE, _BKG, _MISS = -1, 0, 1, 2, 3, 4, 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Errors:
    """Every error of an evaluation.

    Args:
        kinds: [D] place in ``KINDS`` of a false alarm; -1 for what is right or ignored.
        meant: [D] row of the truth that a Cls or Loc error would have found, or the nearest object
            of any other error; -1 where there is none.
        missed: [T] bool, the Miss errors.
        mends: [D] bool, a Cls or Loc error that, mended, finds an object that nothing else has.
    """

    kinds: NDArray[np.int8]
    meant: NDArray[np.int64]
    missed: NDArray[np.bool_]
    mends: NDArray[np.bool_]

    def count(self, kind: Kind) -> int:
        """How many errors there are of a kind."""
        if kind == "Miss":
            return int(self.missed.sum())
        return int((self.kinds == KINDS.index(kind)).sum())


@dataclass(frozen=True, slots=True)
class Losses:
    """What the errors cost, in AP50, 0..1.

    Args:
        ap50: as it is.
        kinds: by kind, what AP50 gains when an oracle mends it.
        false_positives: what it gains without any false alarm.
        false_negatives: what it gains when nothing that was missed counts.
    """

    ap50: float
    kinds: dict[Kind, float]
    false_positives: float
    false_negatives: float


def find_errors(matching: Matching) -> Errors:
    """The kind of every error; of several that fit, the first of Loc, Cls, Dupe, Bkg and Both."""
    count = len(matching.detections)
    kinds, meant = np.full(count, _NONE, np.int8), np.full(count, -1, np.int64)
    kinds[matching.wrong] = _BKG  # in pictures without an object
    truths = rows_by_image(matching.truth)
    for image, found in rows_by_image(matching.detections).items():
        alarms = found[matching.wrong[found]]
        objects = truths.get(image, np.zeros(0, np.int64))
        objects = objects[matching.wanted[objects]]
        if len(alarms) and len(objects):
            kinds[alarms], meant[alarms] = _kinds_of(matching, alarms, objects)
    return _completed(matching, kinds, meant)


def measure_losses(matching: Matching, errors: Errors) -> Losses:
    """AP50, and what it gains under each oracle; the mean is over classes that have objects."""
    now = mended_ap50(matching, errors, ())
    gains = {kind: mended_ap50(matching, errors, (kind,)) - now for kind in KINDS}
    objects = _per_class(matching, matching.wanted)
    found = _per_class(matching, matching.finder >= 0)
    right = matching.right
    categories = matching.detections.categories
    without_alarms = _mean_ap(matching, categories, right, right, objects)
    without_missed = _mean_ap(matching, categories, right, ~matching.ignored, found)
    return Losses(now, gains, without_alarms - now, without_missed - now)


def mended_ap50(matching: Matching, errors: Errors, kinds: Collection[Kind]) -> float:
    """AP50 if an oracle mended some kinds of error.

    A Cls error takes the class, a Loc error the box of the object it meant; of several with one
    object the best score finds it, and the others go. Both, Dupe and Bkg errors go, and what was
    missed is no longer to be found.
    """
    codes = [KINDS.index(kind) for kind in kinds]
    mended = np.isin(errors.kinds, codes)
    turned = mended & errors.mends
    right = matching.right | turned
    kept = ~matching.ignored & (~mended | turned)
    categories = matching.detections.categories.copy()
    categories[turned] = matching.truth.categories[errors.meant[turned]]
    wanted = matching.wanted & ~errors.missed if "Miss" in kinds else matching.wanted
    return _mean_ap(matching, categories, right, kept, _per_class(matching, wanted))


def _kinds_of(
    matching: Matching, alarms: NDArray[np.int64], objects: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Kinds of one picture's false alarms, and the object that each is about."""
    truth, detections = matching.truth, matching.detections
    iou = overlaps(detections.boxes_xywh[alarms], truth.boxes_xywh[objects])
    same = detections.categories[alarms][:, None] == truth.categories[objects][None]
    own, other = np.where(same, iou, 0), np.where(same, 0, iou)
    taken = np.where(matching.finder[objects][None] >= 0, own, 0)
    # Below what counts as a match already, so that a detection on the limit is no Loc error.
    loc = (own.max(axis=1) >= BACKGROUND_IOU) & (own.max(axis=1) <= MATCH_IOU)
    tests = (
        (loc, _LOC, own),
        (other.max(axis=1) >= MATCH_IOU, _CLS, other),
        (taken.max(axis=1) >= MATCH_IOU, _DUPE, taken),
        (iou.max(axis=1) <= BACKGROUND_IOU, _BKG, iou),
    )
    kinds = np.select([test for test, _, _ in tests], [code for _, code, _ in tests], _BOTH)
    nearest = [objects[each.argmax(axis=1)] for _, _, each in tests]
    meant = np.select([test for test, _, _ in tests], nearest, objects[iou.argmax(axis=1)])
    return kinds.astype(np.int8), np.where(iou.max(axis=1) > 0, meant, -1)


def _completed(matching: Matching, kinds: NDArray[np.int8], meant: NDArray[np.int64]) -> Errors:
    """The errors, with what is missed and which of them an oracle would turn into a find."""
    pointing = np.flatnonzero((kinds == _CLS) | (kinds == _LOC))
    missed = matching.wanted & (matching.finder < 0)
    missed[meant[pointing]] = False
    # The best score of each object that nothing has found yet.
    open_ones = pointing[matching.finder[meant[pointing]] < 0]
    best_first = open_ones[np.argsort(-matching.detections.scores[open_ones], kind="stable")]
    _, first = np.unique(meant[best_first], return_index=True)
    mends = np.zeros(len(kinds), dtype=bool)
    mends[best_first[first]] = True
    return Errors(kinds=kinds, meant=meant, missed=missed, mends=mends)


def _per_class(matching: Matching, which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[K + 1] truths by the number of their category."""
    categories = matching.truth.categories[which & matching.wanted]
    return np.bincount(categories, minlength=len(matching.tree.category_ids) + 1)


def _mean_ap(
    matching: Matching,
    categories: NDArray[np.int64],
    right: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    objects: NDArray[np.int64],
) -> float:
    """AP50, the mean over the classes that have objects; NaN where none has.

    Where an oracle leaves a class nothing to find, it has AP 1 without and 0 with a detection.
    """
    order = np.argsort(-matching.detections.scores, kind="stable")
    order = order[kept[order]]
    scores = []
    for rank in np.flatnonzero(_per_class(matching, matching.wanted)).tolist():
        own = right[order[categories[order] == rank]].astype(np.float64)
        left = int(objects[rank])
        scores.append(precision_at_recalls(own, None, left) if left else float(not len(own)))
    return float(np.mean(scores)) if scores else float("nan")
