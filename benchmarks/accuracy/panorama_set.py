"""A set that nothing was tuned on: wide pictures of small objects, made of another set's pictures.

    python benchmarks/accuracy/panorama_set.py DATA OUT --images 100,30,40

Each is 2000 x 700 pixels of noise in which six pictures of the same split of DATA lie side by side,
at most 160 pixels large. Run by yolokit's Python. Equal arguments give equal bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from existing import existing
from numpy.typing import NDArray

from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.locate import choose_split
from yolokit.errors import YolokitError

WIDTH, HEIGHT = 2000, 700  # pixels
IN_A_ROW = 6
SHRUNKEN_TO = 160  # pixels, the longest side of a picture laid in


def main() -> None:
    """Make as many of each split as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data", type=existing, help="anything that yolokit train --data takes")
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--images", default="100,30,40", help="of train, val and test")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    (options.out / "annotations").mkdir()
    for name, count in zip(("train", "val", "test"), options.images.split(","), strict=True):
        source = CocoDataset.load(choose_split(options.data, name))
        tree = write_split(source, options.out / "images" / name, int(count))
        file = options.out / "annotations" / f"instances_{name}.json"
        file.write_text(json.dumps(tree), encoding="utf-8")


def write_split(source: CocoDataset, folder: Path, count: int) -> dict[str, Any]:
    """Write the pictures of a split; its COCO annotation tree."""
    folder.mkdir(parents=True)
    pictures = DetectionDataset(source, (SHRUNKEN_TO, SHRUNKEN_TO))
    images, annotations = [], []
    for image_id in range(1, count + 1):
        picture, boxes, labels = panorama(pictures, random.Random(f"{folder.name} {image_id}"))
        name = f"{image_id:06d}.jpg"
        cv2.imwrite(str(folder / name), picture[..., ::-1])
        images.append({"id": image_id, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for (left, top, right, bottom), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": source.category_ids[label],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    table = zip(source.category_ids, source.class_names, strict=True)
    categories = [{"id": category_id, "name": name} for category_id, name in table]
    return {"images": images, "annotations": annotations, "categories": categories}


def panorama(
    pictures: DetectionDataset, rng: random.Random
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """One wide picture, its boxes [N, 4] xyxy pixels, and their labels [N]; groups left out."""
    noise = np.random.default_rng(rng.getrandbits(32))
    canvas = noise.integers(75, 126, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    boxes, labels = [], []
    room = WIDTH // IN_A_ROW
    for place in range(IN_A_ROW):
        small = pictures.sample(rng.randrange(len(pictures)))
        height, width = small.image.shape[:2]
        left = place * room + rng.randint(0, room - width)
        top = rng.randint(0, HEIGHT - height)
        canvas[top : top + height, left : left + width] = small.image
        boxes.append(small.boxes + np.array([left, top, left, top], dtype=np.float32))
        labels.append(small.labels)
    return canvas, np.concatenate(boxes), np.concatenate(labels)


if __name__ == "__main__":
    try:
        main()
    except YolokitError as wrong:
        sys.exit(f"error: {wrong}")
