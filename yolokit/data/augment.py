"""Train-time augmentation by albumentations, box-aware, every choice made by one seed.

Works at the network's input resolution: fewer pixels to move, and nothing to move twice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.data.mosaic import MIN_SIDE, keep_visible, mosaic
from yolokit.data.prepare import PAD_GREY, prepare_sample
from yolokit.sections import ResolvedAugment
from yolokit.types import Sample

_BLUR_KERNEL = (3, 5)  # pixels
_NOISE_STD = (0.01, 0.05)  # fraction of full scale


@contextmanager
def _no_update_check() -> Iterator[None]:
    """albumentations asks the network for updates while it is imported, unless told not to."""
    name = "NO_ALBUMENTATIONS_UPDATE"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


with _no_update_check():
    import albumentations


class Augmenter:
    """Changes a training sample at random: mosaic or crop, then flips, affine, colour, blur, noise.

    One random state, set anew from the seed of each sample, runs through all transforms.
    albumentations' own seeding would repeat itself in every worker and epoch, and would give
    each transform the same sequence, so that two flips always come together.

    Args:
        config: probabilities and ranges, resolved.
        input_hw: the network input's (height, width), pixels; the size of every result.
    """

    def __init__(self, config: ResolvedAugment, input_hw: tuple[int, int]) -> None:
        self.config = config
        self._mosaic_share = config.mosaic
        self.input_hw = input_hw
        self._crop = _crop()
        self._geometry = albumentations.Compose(
            _geometry(config),
            keypoint_params=albumentations.KeypointParams("xy", remove_invisible=False),
        )
        self._pixels = albumentations.Compose(_pixels(config))

    def __call__(
        self,
        sample: Sample,
        seed: int,
        draw_other: Callable[[int], Sample],
        mosaic: bool = True,
    ) -> Sample:
        """One random version of a sample.

        Args:
            sample: at input resolution, unpadded; not changed.
            seed: decides every random choice; equal seeds give equal results.
            draw_other: a sample like ``sample`` for any random number >= 0; mosaic takes three.
            mosaic: False rules mosaic out, as in the last epochs.

        Returns:
            A sample of ``input_hw``; each box inside it, at least a pixel wide and high. It may
            have no box at all.
        """
        rng = random.Random(seed)
        for pipeline in (self._crop, self._geometry, self._pixels):
            pipeline.set_random_state(np.random.default_rng(seed), rng)
        shares = None
        if mosaic and rng.random() < self._mosaic_share:
            fitted, shares = self._mosaic(sample, draw_other, rng)
        else:
            if rng.random() < self.config.crop:
                sample = _cropped(self._crop, sample)
            fitted, _ = prepare_sample(sample, self.input_hw)
        image, moved = _moved(self._geometry, fitted, turned=bool(self.config.rotate))
        boxes, labels, _ = keep_visible(
            moved,
            fitted.labels,
            (0, 0, self.input_hw[1], self.input_hw[0]),
            min_visibility=self.config.min_visibility,
            shares=shares,
        )
        return Sample(self._pixels(image=image)["image"], boxes, labels, sample.image_id)

    def _mosaic(
        self, sample: Sample, draw_other: Callable[[int], Sample], rng: random.Random
    ) -> tuple[Sample, NDArray[np.float32]]:
        others = [draw_other(rng.getrandbits(32)) for _ in range(3)]
        return mosaic(
            [sample, *others], self.input_hw, rng, min_visibility=self.config.min_visibility
        )


def _crop() -> Any:
    boxes = albumentations.BboxParams(
        "pascal_voc",  # xyxy pixels
        min_width=MIN_SIDE,
        min_height=MIN_SIDE,
        clip=True,
    )
    return albumentations.Compose([albumentations.BBoxSafeRandomCrop(p=1.0)], bbox_params=boxes)


def _geometry(config: ResolvedAugment) -> list[Any]:
    flips = [
        albumentations.HorizontalFlip(p=config.hflip),
        albumentations.VerticalFlip(p=config.vflip),
    ]
    if not (config.scale or config.translate or config.rotate):
        return flips
    affine = albumentations.Affine(
        scale=(1 - config.scale, 1 + config.scale),
        keep_ratio=True,
        translate_percent=(-config.translate, config.translate),
        rotate=(-config.rotate, config.rotate),
        fill=PAD_GREY,
        p=1.0,
    )
    return [*flips, affine]


def _pixels(config: ResolvedAugment) -> list[Any]:
    transforms = [
        albumentations.Blur(blur_limit=_BLUR_KERNEL, p=config.blur),
        albumentations.GaussNoise(std_range=_NOISE_STD, p=config.noise),
    ]
    if not (config.hue or config.saturation or config.value):
        return transforms
    colour = albumentations.ColorJitter(
        hue=(-config.hue, config.hue),
        saturation=(1 - config.saturation, 1 + config.saturation),
        brightness=(1 - config.value, 1 + config.value),
        contrast=(1.0, 1.0),
        p=1.0,
    )
    return [colour, *transforms]


def _cropped(pipeline: Any, sample: Sample) -> Sample:
    """A part of the picture that holds every box whole; boxes that are none are left out."""
    height, width = sample.image.shape[:2]
    window = (0, 0, width, height)
    boxes, labels, _ = keep_visible(sample.boxes, sample.labels, window, min_visibility=0.0)
    rows = np.column_stack([boxes, labels]).astype(np.float64)
    result = pipeline(image=sample.image, bboxes=rows)
    rows = np.asarray(result["bboxes"], dtype=np.float64)
    if rows.size == 0:
        rows = np.zeros((0, 5))
    return Sample(
        result["image"],
        rows[:, :4].astype(np.float32),
        np.rint(rows[:, 4]).astype(np.int64),
        sample.image_id,
    )


def _moved(
    pipeline: Any, sample: Sample, *, turned: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The picture flipped and moved, and its boxes [N, 4], uncut: they may reach outside.

    albumentations cuts boxes and forgets how much there was, so corners travel as points. A turned
    box is drawn around the ellipse that fills it: around its turned corners it would be too large.
    """
    x1, y1, x2, y2 = sample.boxes.astype(np.float64).T
    corners = np.stack([x1, y1, x2, y1, x1, y2], axis=1).reshape(-1, 2)  # [N * 3, 2]
    result = pipeline(image=sample.image, keypoints=corners - 0.5)  # points lie on pixels' centres
    points = np.asarray(result["keypoints"], dtype=np.float64).reshape(-1, 3, 2) + 0.5
    first, across, down = points[:, 0], points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    middle = first + (across + down) / 2
    half = np.hypot(across, down) / 2 if turned else (np.abs(across) + np.abs(down)) / 2
    return result["image"], np.hstack([middle - half, middle + half]).astype(np.float32)
