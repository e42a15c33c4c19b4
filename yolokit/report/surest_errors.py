"""The surest errors, cut out of their pictures: what was detected, and the object it overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.drawing import draw_tagged
from yolokit.evaluation.suspects import Suspect, suspects
from yolokit.evaluation.verdicts import Verdict
from yolokit.report.page import Crop, Part, Section, paragraph, table
from yolokit.report.pictures import VERDICT_COLOURS, data_uri
from yolokit.report.scored import Scored
from yolokit.report.words import unbroken

_MOST_SUSPECTS, _MOST_CROPS = 25, 12
_MARGIN = 0.5  # of the longer side of what is shown, around it
_LEAST_PX = 64  # of the picture, along each side of a crop: what a small object stands in
_LONG_SIDE_PX = 240  # of a crop on the page


def suspects_section(scored: Scored) -> Section:
    """The false alarms that the detector is surest of, by the ids of the labels, and their crops.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    found = suspects(scored.matching, scored.errors, most=_MOST_SUSPECTS)
    if not found:
        return Section("Surest errors", [paragraph("There is no false alarm.")])
    note = (
        "The false alarms of the highest scores: often the labels are what is wrong, an object "
        "that nobody drew, a class that was mistyped. Ids are those of the annotation file."
    )
    rows = [
        [
            each.file_name,
            str(each.image_id),
            f"{each.score:.3f}",
            each.kind,
            each.class_name,
            unbroken(" ".join(f"{value:.0f}" for value in each.box)),
            unbroken("none near") if each.annotation_id is None else str(each.annotation_id),
            each.annotation_class,
        ]
        for each in found
    ]
    head = ("picture", "image id", "score", "kind", "detected", "box", "annotation id", "its class")
    shown = [paragraph(note, "soft"), table(head, rows, texts=5)]
    if scored.dataset is not None:
        crops = suspect_crops(scored.dataset, found[:_MOST_CROPS])
        shown.insert(1, Part("crops", crops))
        shown.insert(
            1, paragraph("Yellow: what was detected. Blue: the annotation near it.", "soft")
        )
    return Section("Surest errors", shown)


def suspect_crops(dataset: CocoDataset, found: Sequence[Suspect]) -> list[Crop]:
    """A crop of each, with what was detected in yellow and the annotation near it in blue.

    Args:
        dataset: where the pictures are.
        found: errors of that split.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    index_of_id = {str(image_id): index for index, image_id in enumerate(dataset.image_ids)}
    return [
        _crop(read_image(dataset.image_path(index_of_id[str(each.image_id)])), each)
        for each in found
    ]


def _crop(image: NDArray[np.uint8], found: Suspect) -> Crop:
    pairs: list[tuple[tuple[float, ...], str, Verdict]] = [
        (found.box, f"{found.class_name} {found.score:.2f}", "false")
    ]
    if found.annotation_box is not None:
        pairs.append((found.annotation_box, found.annotation_class, "found"))
    boxes = np.array([box for box, _, _ in pairs], dtype=np.float32)
    x1, y1, x2, y2 = window(boxes, (image.shape[0], image.shape[1]))
    scale = _LONG_SIDE_PX / max(x2 - x1, y2 - y1)
    size = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
    cut = Image.fromarray(image[y1:y2, x1:x2]).resize(size, Image.Resampling.BILINEAR)
    corners = (boxes - np.array([x1, y1, x1, y1], dtype=np.float32)) * np.float32(scale)
    colours = [VERDICT_COLOURS[verdict] for _, _, verdict in pairs]
    drawn = draw_tagged(np.asarray(cut), corners, [text for _, text, _ in pairs], colours)
    near = "" if found.annotation_id is None else f", annotation {found.annotation_id}"
    return Crop(
        data_uri(drawn),
        f"{found.class_name} detected in {found.file_name}",
        f"image {found.image_id}{near}",
    )


def window(boxes: NDArray[np.float32], image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """What to show of a picture, xyxy whole pixels: all boxes and what surrounds them.

    Args:
        boxes: [N, 4] xyxy pixels, N at least 1.
        image_hw: the picture's (height, width).
    """
    height, width = image_hw
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    middle, span = (low + high) / 2, high - low
    half = np.maximum(span / 2 + _MARGIN * span.max(), _LEAST_PX / 2)
    x1, y1 = np.floor(np.clip(middle - half, 0, (width - 1, height - 1))).astype(int).tolist()
    x2, y2 = np.ceil(np.clip(middle + half, (x1 + 1, y1 + 1), (width, height))).astype(int).tolist()
    return x1, y1, x2, y2
