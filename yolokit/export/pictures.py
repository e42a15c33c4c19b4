"""Pictures to check an export on: of the data that is given, the run's own, or made-up photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from yolokit.config_file import load_config
from yolokit.data.check import check_images, require_good_images
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split, locate_splits
from yolokit.data.pictures import PreparedPictures
from yolokit.data.prepare import prepare_image
from yolokit.data.split_names import WHOLE
from yolokit.errors import DataError, YolokitError
from yolokit.evaluation.coco_io import load_split
from yolokit.models.export_record import PictureSource
from yolokit.sections import SplitConfig
from yolokit.synthesis.scenes import make_scene

MOST_COMPARED = 64  # pictures whose boxes are compared one by one
_MOST_CALIBRATED = 300  # pictures; NNCF's own default
_MADE_UP = 16  # pictures
_CLASSES, _CROWDING = 3, 0.4  # of made-up photos
_SMALLEST_SIDE = 64  # px of a made-up photo
_SEED = 0


@dataclass(frozen=True, slots=True)
class CheckPictures:
    """Where the pictures to check on come from.

    Args:
        source: the split's name, or ``synthesis``.
        where: the same for people.
        split: pictures and labels; None for made-up photos.
    """

    source: PictureSource
    where: str
    split: SplitConfig | None


def find_pictures(data: Path | None, run: Path | None) -> CheckPictures:
    """The val split of the data, else its test split; else the run's val; else made-up photos.

    Args:
        data: data folder or data.yaml, where it is given.
        run: the folder that the model lies in, which may be a run's.

    Raises:
        DataError: the data that was given has neither split.
    """
    if data is not None:
        splits = locate_splits(data)
        for name in ("val", "test"):
            if name in splits:
                return CheckPictures(cast(PictureSource, name), f"{name} of {data}", splits[name])
        if WHOLE in splits:
            return CheckPictures("val", f"all of {data}", splits[WHOLE])
        raise DataError(
            f"no val or test split in {data}, so nothing to check an export on. Add one"
        )
    if run is not None and (split := _val_of_run(run)):
        return CheckPictures("val", f"val of the run, {split.annotations}", split)
    return CheckPictures("synthesis", "made-up photos; --data gives real ones", None)


def compared_pictures(
    pictures: CheckPictures, input_hw: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Pictures [H, W, 3] as the network is fed, one by one, evenly spread over the split.

    Raises:
        DataError: unusable annotations or pictures.
    """
    if pictures.split is None:
        return _made_up(input_hw)
    return prepared(pictures.split, input_hw, most=MOST_COMPARED)


def calibration_pictures(data: Path | None, input_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Training pictures as the network is fed, to take ranges of 8-bit numbers from.

    Raises:
        DataError: no data given, no train split in it, or one that cannot be used.
    """
    if data is None:
        raise DataError("int8 is calibrated on training pictures. Give --data")
    return list(prepared(choose_split(data, "train"), input_hw, most=_MOST_CALIBRATED))


def prepared(
    split: SplitConfig, input_hw: tuple[int, int], *, most: int
) -> Iterator[NDArray[np.uint8]]:
    """At most so many pictures of a split, evenly spread, as the network is fed.

    Raises:
        DataError: unusable annotations or pictures, or none.
    """
    dataset = CocoDataset.of(load_split(split), split)
    require_good_images(check_images(dataset), dataset)
    loaded = PreparedPictures(dataset, input_hw)
    if not len(loaded):
        raise DataError(f"no pictures in {split.annotations}. Give --data with some")
    count = min(most, len(loaded))
    for index in np.linspace(0, len(loaded) - 1, count).round().astype(int).tolist():
        yield loaded[index].image


def _made_up(input_hw: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    height, width = (max(_SMALLEST_SIDE, side) for side in input_hw)
    for number in range(_MADE_UP):
        rng = np.random.default_rng([_SEED, number])
        scene = make_scene(rng, (height, width), _CLASSES, _CROWDING)
        yield prepare_image(scene.image, input_hw)[0]


def _val_of_run(run: Path) -> SplitConfig | None:
    """The val split of a run's configuration, where it is still there."""
    file = run / "config.yaml"
    if not file.is_file():
        return None
    try:
        split = load_config(file).data.val
    except YolokitError:  # nobody's run: what lies there is another's config.yaml
        return None
    there = split is not None and split.annotations.exists() and split.images.is_dir()
    return split if there else None
