"""What is in a split: counts, classes, sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.ops.letterbox import fit_letterbox

_SMALL_BELOW, _MEDIUM_BELOW = 32**2, 96**2  # square pixels: COCO's limits


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStatistics:
    """Counts of one split; crowds are counted apart and nowhere else.

    Args:
        images: pictures listed.
        empty: pictures without a box.
        boxes: boxes, crowds and bad ones left out.
        crowds: boxes around a group.
        bad_boxes: boxes that cannot be used.
        most_in_one: boxes in the fullest picture.
        class_boxes: class name -> boxes.
        class_images: class name -> pictures with at least one.
        sizes_original: ``small``, ``medium``, ``large`` -> boxes, by box area in the picture.
        sizes_input: the same, once the picture is letterboxed to the network's input.
    """

    images: int
    empty: int
    boxes: int
    crowds: int
    bad_boxes: int
    most_in_one: int
    class_boxes: dict[str, int]
    class_images: dict[str, int]
    sizes_original: dict[str, int]
    sizes_input: dict[str, int]


def split_statistics(dataset: CocoDataset, image_hw: tuple[int, int]) -> SplitStatistics:
    """Count what a split holds. No picture is opened.

    Args:
        dataset: the split; load it with ``max_bad_boxes=1`` to count bad boxes, however many.
        image_hw: the network input's (height, width), pixels.
    """
    real = ~dataset.crowd
    owner = dataset.box_owners[real]
    labels, boxes = dataset.labels[real], dataset.boxes[real].astype(np.float64)
    per_image = np.bincount(owner, minlength=len(dataset))
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    classes = len(dataset.class_names)
    pairs = np.unique(np.stack([owner, labels], axis=1), axis=0)
    return SplitStatistics(
        images=len(dataset),
        empty=int((per_image == 0).sum()),
        boxes=len(boxes),
        crowds=int(dataset.crowd.sum()),
        bad_boxes=len(dataset.bad_boxes),
        most_in_one=int(per_image.max(initial=0)),
        class_boxes=_by_name(dataset, np.bincount(labels, minlength=classes)),
        class_images=_by_name(dataset, np.bincount(pairs[:, 1], minlength=classes)),
        sizes_original=_sizes(areas),
        sizes_input=_sizes(areas * _area_scales(dataset, image_hw)[owner]),
    )


def narrow_share(dataset: CocoDataset, image_hw: tuple[int, int], pixels: float) -> float:
    """The share of boxes, crowds left out, whose shorter side is under ``pixels`` of the input.

    Args:
        dataset: the split.
        image_hw: the network input's (height, width), pixels.
        pixels: of the input.

    Returns:
        0..1; 0 without boxes.
    """
    real = ~dataset.crowd
    if not real.any():
        return 0.0
    boxes, scales = dataset.boxes[real], np.sqrt(_area_scales(dataset, image_hw))
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) * scales[dataset.box_owners[real]]
    return float((sides < pixels).mean())


def _by_name(dataset: CocoDataset, counts: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip(dataset.class_names, counts.tolist(), strict=True))


def _area_scales(dataset: CocoDataset, image_hw: tuple[int, int]) -> NDArray[np.float64]:
    """[I] by how much letterboxing multiplies areas."""
    scales = [fit_letterbox((h, w), image_hw).scale_xy for h, w in dataset.sizes_hw.tolist()]
    return np.array([x * y for x, y in scales], dtype=np.float64)


def _sizes(areas: NDArray[np.float64]) -> dict[str, int]:
    small, upto_medium = (int((areas < limit).sum()) for limit in (_SMALL_BELOW, _MEDIUM_BELOW))
    return {"small": small, "medium": upto_medium - small, "large": len(areas) - upto_medium}
