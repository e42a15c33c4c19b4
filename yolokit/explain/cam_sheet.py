"""The evidence for a box over its picture, three ways beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yolokit.drawing import draw_tagged
from yolokit.errors import ConfigError
from yolokit.explain.cam import Evidence, evidence
from yolokit.explain.canvas import Canvas, layout
from yolokit.explain.features import level_names
from yolokit.explain.heat import laid_over, scale_bar
from yolokit.explain.seen import Seen
from yolokit.explain.sheet import Figure, Sheet
from yolokit.models.detector import Detector
from yolokit.ops.letterbox import boxes_to_input, boxes_to_original

_BOX = (255, 255, 255)
_LEAD = (
    "Why the cell that predicts this box scores {score:.2f} for {name}: yellow is where the "
    "evidence lies, in the maps of {level} (a cell every {stride} px). Each map has its own scale. "
    "What is yellow outside the box is context that the detector uses, for better or worse."
)
_WAYS = (
    ("gradient", "By gradient, channel by channel (Grad-CAM): all that looks like it lights up"),
    ("local", "By gradient, place by place (HiResCAM): what this very box rests on"),
    ("ablation", "Without gradients: how the score falls when a place is levelled (ablation)"),
)


def cam_sheet(
    detector: Detector, seen: Seen, place: int, label: int, class_names: Sequence[str]
) -> Sheet:
    """The evidence of a decoded box for a class.

    Args:
        detector: in evaluation mode.
        seen: the picture.
        place: of the box among those decoded.
        label: the class.
        class_names: of all labels.
    """
    found = evidence(detector, seen, place, label)
    level = detector.backbone.levels[found.level]
    box = seen.decoded.boxes[0, place]
    figures = [
        Figure(_drawn(seen, getattr(found, way), level.stride, box, class_names[label]), caption)
        for way, caption in _WAYS
    ]
    figures.append(Figure(scale_bar("no evidence", "most"), ""))
    return Sheet(
        title=f"What the box rests on: {class_names[label]}",
        lead=_LEAD.format(
            score=found.score,
            name=class_names[label],
            level=level_names(detector)[found.level],
            stride=level.stride,
        ),
        figures=figures,
        columns=layout(seen, len(_WAYS))[0],
        numbers=_numbers(seen, found, box, label, class_names),
    )


def place_of(
    seen: Seen, *, number: int, box: NDArray[np.float32] | None, label: int | None
) -> tuple[int, int]:
    """The decoded box and the class that are meant.

    Args:
        seen: the picture.
        number: of a found box, the best is 1.
        box: instead, [4] xyxy original pixels: the best score of ``label`` among the decoded boxes
            that overlap it best.
        label: the class; None for the one that the box was found as.

    Raises:
        ConfigError: no box of that number, or none there.
    """
    if box is not None:
        return _place_at(seen, box, label)
    count = len(seen.found)
    if not 1 <= number <= count:
        raise ConfigError(
            f"there is no box {number}: {count or 'none'} found in the picture. "
            + (_choice(count) if count else "Give a lower --conf, or --box x,y,w,h")
        )
    own = int(seen.detections.labels[number - 1])
    return int(seen.found[number - 1]), own if label is None else label


def _choice(count: int) -> str:
    return f"Give 1 to {count}" if count > 1 else "Give 1"


def _place_at(seen: Seen, box: NDArray[np.float32], label: int | None) -> tuple[int, int]:
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > box[:2]).all():
        raise ConfigError(f"{box.tolist()} is no box. Give corners x1, y1, x2, y2 in pixels")
    wanted = boxes_to_input(box.reshape(1, 4), seen.letterbox)[0].astype(np.float64)
    left, top, right, bottom = seen.frame
    edges = np.array([left, top] * 2), np.array([right, bottom] * 2)
    decoded = np.clip(seen.decoded.boxes[0].astype(np.float64), *edges)
    sides = np.minimum(wanted[2:], decoded[:, 2:]) - np.maximum(wanted[:2], decoded[:, :2])
    shared = sides.clip(min=0).prod(-1)
    areas = (decoded[:, 2:] - decoded[:, :2]).prod(-1) + (wanted[2:] - wanted[:2]).prod()
    overlaps = shared / np.maximum(areas - shared, 1e-9)
    if not overlaps.max() > 0:
        height, width = seen.image.shape[:2]
        raise ConfigError(
            f"the detector has no box at {box.tolist()}. The picture is {width}x{height} pixels"
        )
    near = overlaps >= 0.9 * overlaps.max()
    scores = seen.decoded.scores[0] if label is None else seen.decoded.scores[0][:, [label]]
    place = int(np.argmax(np.where(near, scores.max(-1), -1)))
    return place, int(seen.decoded.scores[0, place].argmax()) if label is None else label


def _drawn(
    seen: Seen, values: NDArray[np.float32], stride: int, box: NDArray[np.float32], name: str
) -> NDArray[np.uint8]:
    canvas = Canvas.of(seen, layout(seen, len(_WAYS))[1])
    most = float(values.max())
    spread = canvas.spread(values / (most or 1.0), stride, smooth=True)
    covered = laid_over(canvas.pixels, spread)
    return draw_tagged(covered, canvas.boxes(box), [name], [_BOX])


def _numbers(
    seen: Seen, found: Evidence, box: NDArray[np.float32], label: int, names: Sequence[str]
) -> dict[str, object]:
    original = boxes_to_original(box.reshape(1, 4), seen.letterbox)[0]
    maps = {way: np.round(getattr(found, way).astype(float), 6).tolist() for way, _ in _WAYS}
    return {
        "box": original.tolist(),
        "label": label,
        "name": names[label],
        "score": found.score,
        "maps": maps,
    }
