"""Augmentation done wrong, so that its price can be read: copies of a photo in train and in val.

Of the train photos of SET it makes augmented copies and writes three sets into OUT. `leaky` deals
the copies out at random, so that a photo's copies are in train and in val. `honest` has the same
train, and val and test as they are in SET. `augmented_val` is `honest` with its val photos
augmented, to be scored and compared.

    yolokit data shapes shapes --images 80,24,40 --size 160x160 --seed 3
    python examples/augmented_copies.py shapes copies --photos 8 --copies 10
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from yolokit.data.augment import Augmenter
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset, sample_seed
from yolokit.data.locate import locate_splits
from yolokit.errors import YolokitError
from yolokit.files import require_unused_folder
from yolokit.sections import ResolvedAugment
from yolokit.types import Sample

SIZE_HW = (160, 160)
VAL_SHARE = 0.25


def augmented(data: DetectionDataset, index: int, copy: int) -> Sample:
    """One augmented copy of a photo, as training would make it, of no other photo."""
    augmenter = Augmenter(ResolvedAugment(mosaic=0), data.input_hw)
    seed = sample_seed(data.seed, copy, index)
    return augmenter(data.sample(index), seed, data.sample, False)


def write_set(folder: Path, splits: dict[str, list[Sample]], names: Iterable[str]) -> None:
    """Write a data set in COCO's layout: ``annotations`` and ``images/SPLIT``."""
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    (folder / "annotations").mkdir(parents=True)
    for split, samples in splits.items():
        (folder / "images" / split).mkdir(parents=True)
        tree: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
        for number, sample in enumerate(samples, 1):
            name = f"{number:06d}.png"
            Image.fromarray(sample.image).save(folder / "images" / split / name)
            height, width = sample.image.shape[:2]
            tree["images"].append(
                {"id": number, "file_name": name, "width": width, "height": height}
            )
            tree["annotations"] += _annotations(sample, number, len(tree["annotations"]) + 1)
        path = folder / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(tree), encoding="utf-8")


def _annotations(sample: Sample, image_id: int, first_id: int) -> list[dict[str, Any]]:
    rows = []
    for offset, (box, label) in enumerate(zip(sample.boxes, sample.labels, strict=True)):
        x1, y1, x2, y2 = (float(value) for value in box)
        rows.append(
            {
                "id": first_id + offset,
                "image_id": image_id,
                "category_id": int(label) + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
        )
    return rows


def make_sets(source: Path, out: Path, *, photos: int, copies: int, seed: int = 0) -> None:
    """Write the three sets; see the top of this file."""
    require_unused_folder(out)
    sets = {name: CocoDataset.load(split) for name, split in locate_splits(source).items()}
    data = {name: DetectionDataset(each, SIZE_HW, seed=seed) for name, each in sets.items()}
    names = sets["train"].class_names
    plain = {
        name: [data[name].sample(i) for i in range(len(data[name]))] for name in ("val", "test")
    }
    made = [augmented(data["train"], i, copy) for i in range(photos) for copy in range(copies)]
    order = np.random.default_rng(seed).permutation(len(made)).tolist()
    held_out = round(len(made) * VAL_SHARE)
    dealt = [made[place] for place in order]
    leaky = {"train": dealt[held_out:], "val": dealt[:held_out], "test": plain["test"]}
    honest = {"train": dealt[held_out:], **plain}
    moved = [augmented(data["val"], i, 0) for i in range(len(data["val"]))]
    write_set(out / "leaky", leaky, names)
    write_set(out / "honest", honest, names)
    write_set(out / "augmented_val", {**honest, "val": moved}, names)


def main() -> None:
    """Read the options and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="SET")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--photos", type=int, default=8, help="train photos to copy")
    parser.add_argument("--copies", type=int, default=10, help="copies of each")
    options = parser.parse_args()
    make_sets(options.source, options.out, photos=options.photos, copies=options.copies)


if __name__ == "__main__":
    try:
        main()
    except YolokitError as error:
        raise SystemExit(f"error: {error}") from None
