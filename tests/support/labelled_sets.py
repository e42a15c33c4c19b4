"""One made-up set, written by hand in every format that a data set may come in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from yolokit.data.coco_tree import CocoTree

CLASSES = ("zebra", "ant", "sea lion")  # not in alphabetical order; one is in no val picture
_TURNED = 6  # EXIF: to be shown turned by a quarter


@dataclass(frozen=True)
class Photo:
    """A picture and its objects: (class, x, y, width, height), pixels of the upright picture."""

    name: str
    size_hw: tuple[int, int]
    objects: Sequence[tuple[int, float, float, float, float]] = ()
    turned: bool = False
    difficult: frozenset[int] = field(default_factory=frozenset)


def photos(split: str) -> list[Photo]:
    """Pictures by name: without objects, with spaces, beyond ASCII, turned by EXIF, decimals."""
    offset = {"train": 0, "val": 3}[split]
    found = [
        Photo("a b.jpg", (60, 100), [(1, 10.0, 5.0, 40.5, 30.25), (0, 50.0, 20.0, 20.0, 33.3)]),
        Photo("empty.png", (50, 70)),
        Photo("groß 猫.jpg", (64, 96), [(1, 0.0, 0.0, 96.0, 64.0)]),
        Photo("turned.jpg", (90, 60), [(0, 3.125, 40.1, 50.07, 20.9)], turned=True),
        Photo("x.JPG", (60, 101), [(1, 7.3 + k, 11.7 + k, 33.3, 21.9) for k in range(3)]),
    ]
    last = [(2, 5.5, 6.5, 44.0, 41.5)] if split == "train" else []
    return [*found, Photo(f"z{offset}.png", (77, 88), last)]


def paint(folder: Path, pictures: Sequence[Photo]) -> None:
    """Write the picture files: noise with a rectangle for each object."""
    for number, photo in enumerate(pictures):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 90, (*photo.size_hw, 3), dtype=np.uint8)
        for label, x, y, w, h in photo.objects:
            pixels[int(y) : int(y + h), int(x) : int(x + w)] = (250 - 20 * label, 20 * label, 120)
        path = folder / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        if photo.turned:  # stored lying, shown upright
            exif = Image.Exif()
            exif[0x0112] = _TURNED
            image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
        else:
            image.save(path)


def coco(pictures: Sequence[Photo], names: Sequence[str] = CLASSES) -> dict[str, Any]:
    """COCO's content, ids from 1 in the order given."""
    images, annotations = [], []
    for number, photo in enumerate(pictures, start=1):
        height, width = photo.size_hw
        images.append({"id": number, "file_name": photo.name, "width": width, "height": height})
        for place, (label, *box) in enumerate(photo.objects):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": box,
                    "area": round(box[2] * box[3], 9),
                    "iscrowd": int(place in photo.difficult),
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(names)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_json(path: Path, content: object) -> Path:
    """A JSON file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_text(path: Path, text: str) -> Path:
    """A text file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def write_coco_set(root: Path) -> Path:
    """COCO's own layout."""
    for split in ("train", "val"):
        paint(root / "images" / split, photos(split))
        write_json(root / "annotations" / f"instances_{split}.json", coco(photos(split)))
    return root


def yolo_lines(photo: Photo) -> str:
    """A label file: class, centre and size as shares of the picture."""
    height, width = photo.size_hw
    return "".join(
        f"{label} {(x + w / 2) / width!r} {(y + h / 2) / height!r} {w / width!r} {h / height!r}\n"
        for label, x, y, w, h in photo.objects
    )


def write_yolo_set(root: Path) -> Path:
    """Ultralytics' layout; a picture without objects has an empty label file, or none."""
    for split in ("train", "val"):
        paint(root / "images" / split, photos(split))
        for photo in photos(split):
            if photo.objects or split == "train":
                stem = photo.name.rpartition(".")[0]
                write_text(root / "labels" / split / f"{stem}.txt", yolo_lines(photo))
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(CLASSES))
    write_text(root / "data.yaml", f"names:\n{names}val: images/val\ntrain: images/train\n")
    return root


def voc_xml(photo: Photo, names: Sequence[str] = CLASSES, *, first_pixel: int = 1) -> str:
    """VOC's XML; corners counted from ``first_pixel``."""
    height, width = photo.size_hw
    objects = "".join(
        f"<object><name>{names[label]}</name><difficult>{int(place in photo.difficult)}</difficult>"
        f"<bndbox><xmin>{x + first_pixel!r}</xmin><ymin>{y + first_pixel!r}</ymin>"
        f"<xmax>{x + w!r}</xmax><ymax>{y + h!r}</ymax></bndbox></object>\n"
        for place, (label, x, y, w, h) in enumerate(photo.objects)
    )
    return (
        f"<annotation><filename>{photo.name}</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n"
    )


def write_voc_set(root: Path) -> Path:
    """The development kit's layout; the two splits' pictures differ by a letter."""
    lines = "".join(f"{name}:0,0,0::\n" for name in CLASSES)
    write_text(
        root / "labelmap.txt", f"# label:color_rgb:parts:actions\nbackground:0,0,0::\n{lines}"
    )
    for split in ("train", "val"):
        stems = []
        for photo in photos(split):
            named = Photo(f"{split}/{photo.name}", photo.size_hw, photo.objects, photo.turned)
            stems.append(named.name.rpartition(".")[0])
            write_text(root / "Annotations" / f"{stems[-1]}.xml", voc_xml(named))
        paint(root / "JPEGImages" / split, photos(split))
        text = "".join(f"{stem}\n" for stem in stems)
        write_text(root / "ImageSets" / "Main" / f"{split}.txt", text)
    return root


def write_cvat_set(root: Path) -> Path:
    """CVAT's COCO export, with subsets of its user's own."""
    for split, subset in (("train", "Training"), ("val", "my_Validation")):
        paint(root / "images" / subset, photos(split))
        write_json(root / "annotations" / f"instances_{subset}.json", coco(photos(split)))
    return root


def write_label_studio_set(root: Path, split: str) -> Path:
    """Label Studio's COCO export: one file, uploads with a hash, categories from 0, no area."""
    content = coco(photos(split))
    for number, image in enumerate(content["images"]):
        uploaded = f"{number:08x}-{image['file_name'].replace(' ', '_')}"
        image["file_name"] = f"images\\{uploaded}"
    for entry in content["annotations"]:
        entry["category_id"] -= 1
    for entry in content["categories"]:
        entry["id"] -= 1
    paint(root / "images", photos(split))
    for number, photo in enumerate(photos(split)):
        uploaded = f"{number:08x}-{photo.name.replace(' ', '_')}"
        (root / "images" / photo.name).rename(root / "images" / uploaded)
    write_json(root / "result.json", content)
    return root


def same_objects(one: CocoTree, other: CocoTree) -> bool:
    """Whether two trees hold the same pictures in order, and the same objects to the last bit."""
    arrays = ("image_index", "category_index", "boxes_xywh", "areas", "crowd", "problems")
    return (
        one.category_names == other.category_names
        and np.array_equal(one.sizes_hw, other.sizes_hw)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "areas")
            for name in arrays
        )
    )
