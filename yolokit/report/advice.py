"""What to do next, computed: each line says the number that it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yolokit.evaluation.calibration import calibration_error, reliability
from yolokit.evaluation.confusion import confusion_matrix
from yolokit.evaluation.error_analysis import KINDS, Kind
from yolokit.evaluation.groups import groups_by_size
from yolokit.report.scored import Scored
from yolokit.report.words import count, number

_WIDE = 0.06  # of an interval of AP50, from which small differences cannot be told
_FEW = 30  # objects of a class, below which its AP moves by points from one object to the next
_CLIMB = 0.01  # of AP in the last quarter of a run that is still worth time
_PEAK = 0.6  # share of the run before which a best epoch says that more of the same is no use
_FEWEST_VALIDATIONS = 4
_LOST = 0.02  # of AP50, from which a kind of error is worth a word
_UNTRUE = 0.15  # calibration error from which a score should not be read as a chance
_NAMED = 5  # classes

Point = tuple[float, float]  # epoch, AP


def advice(scored: Scored) -> list[str]:
    """What the results on a split suggest, the most telling first; maybe nothing."""
    lines = [_certainty(scored), _rare_classes(scored), *_largest_losses(scored), _scores(scored)]
    return [line for line in lines if line]


def run_advice(validated: Sequence[Point], *, seconds: float) -> list[str]:
    """What the course of a training suggests.

    Args:
        validated: (epoch from 1, AP) of each validation, in order; NaN where there was no number.
        seconds: that the run took.
    """
    known = [(epoch, ap) for epoch, ap in validated if not np.isnan(ap)]
    if len(known) < _FEWEST_VALIDATIONS:
        return []
    best_epoch, best = max(known, key=lambda point: (point[1], point[0]))
    last_epoch = known[-1][0]
    before = max(ap for epoch, ap in known if epoch <= max(known[0][0], 0.75 * last_epoch))
    if best - before >= _CLIMB:
        return [
            f"AP still climbs: {best - before:.3f} of its {best:.3f} came in the last quarter of "
            f"the run. Train twice as long: {2 * last_epoch:g} epochs, or {duration(2 * seconds)}."
        ]
    if best_epoch <= _PEAK * last_epoch:
        return [
            f"AP was best after epoch {best_epoch:g} of {last_epoch:g}: more time will not help. "
            "More pictures, or more augmentation, may."
        ]
    return [
        f"AP has settled: the last quarter of the run brought {best - before:.3f}. More time will "
        "bring little; more pictures, or a larger data.image_size, may bring more."
    ]


def duration(seconds: float) -> str:
    """Seconds as a person gives them to --time-budget: 90s, 10m, 1h30m."""
    if seconds < 120:
        return f"{max(1, round(seconds))}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    return f"{hours}h{rest}m" if rest else f"{hours}h"


def _certainty(scored: Scored) -> str:
    interval, objects = scored.interval, scored.curves[0].objects
    if not objects:
        return f"The {scored.split} pictures have no box: nothing can be told. Label some."
    if interval is None:
        return "One picture tells next to nothing. Label more."
    low, high = interval
    boxes = count(objects, f"{scored.split} box", f"{scored.split} boxes")
    spread = (
        f"AP50 {number(scored.metrics.AP50)} would lie between {low:.2f} and {high:.2f} on other "
        "pictures of the kind (95 %, bootstrap over pictures)"
    )
    if high - low < _WIDE:
        return f"{boxes} on {count(scored.metrics.images, 'picture')} tell well: {spread}."
    return (
        f"{boxes} cannot tell a small difference: {spread}. Label more {scored.split} pictures "
        f"before you choose between models that differ by less than {(high - low) / 2:.2f}."
    )


def _rare_classes(scored: Scored) -> str:
    rare = [each for each in scored.curves[1:] if 0 < each.objects < _FEW]
    if not rare or len(scored.curves) == 2:
        return ""
    named = ", ".join(f"{each.name} ({each.objects})" for each in rare[:_NAMED])
    more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
    return f"Too few objects to judge these classes by: {named}{more}."


def _largest_losses(scored: Scored) -> list[str]:
    """A line for each of the two kinds of error that cost most."""
    kinds = sorted(KINDS, key=lambda kind: -scored.losses.kinds[kind])
    worth = [kind for kind in kinds[:2] if scored.losses.kinds[kind] >= _LOST]
    return [f"{_cost(scored, kind)}: {text}" for kind in worth if (text := _remedy(scored, kind))]


def _cost(scored: Scored, kind: Kind) -> str:
    return f"{kind} errors cost {100 * scored.losses.kinds[kind]:.1f} points of AP50"


def _remedy(scored: Scored, kind: Kind) -> str:
    if kind == "Cls":
        return f"{_most_confused(scored)}Look whether their labels are consistent, or merge them."
    if kind == "Miss":
        small, *_, large = groups_by_size(scored.matching, threshold=scored.threshold)
        if (
            small.objects
            and large.objects
            and 2 * small.found * large.objects < (large.found * small.objects)
        ):
            return "small objects are found half as often as large ones. Raise data.image_size."
        return "more pictures of what is missed, and a longer training, help most."
    return {
        "Loc": "boxes lie beside the objects. Look whether they are drawn tightly everywhere; a "
        "larger data.image_size and a longer training sharpen them.",
        "Both": "wrong in place and class; a longer training helps most.",
        "Dupe": "objects are detected twice. A lower predict.iou_threshold suppresses more.",
        "Bkg": "detections where nothing is labelled. See the surest errors: objects that nobody "
        "labelled are mended in the labels, true false alarms by pictures without objects.",
    }[kind]


def _most_confused(scored: Scored) -> str:
    matrix = confusion_matrix(scored.matching, threshold=scored.threshold)[:-1, :-1].copy()
    np.fill_diagonal(matrix, 0)
    if not matrix.any():
        return ""
    row, column = np.unravel_index(int(matrix.argmax()), matrix.shape)
    names = list(scored.matching.class_names.values())
    return f"{names[row]} is detected as {names[column]} most often ({matrix.max()} times). "


def _scores(scored: Scored) -> str:
    error = calibration_error(reliability(scored.matching))
    if not error >= _UNTRUE:
        return ""
    return (
        f"A score is no chance here: it is off by {error:.2f} on average. Choose by the threshold "
        f"{scored.threshold:g} above, not by what the score seems to say."
    )
