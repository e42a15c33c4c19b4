"""Made-up pictures that look like photos, with exact COCO annotations and a short video.

A box is the extent of what can be seen of an object; its area is the number of those pixels.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from yolokit.errors import DataError
from yolokit.files import put_in_unused, require_unused_folder
from yolokit.synthesis import painting
from yolokit.synthesis.scenes import Instance, Scene, make_scene, random_course

SPLITS = ("train", "val", "test")
VIDEO_NAME = "shapes.mp4"
TRACKS_NAME = "shapes_tracks.txt"

_CATEGORY_IDS = (17, 3, 44, 8, 90, 1, 62, 27, 5, 71)  # sparse and unordered, as users' files are
_MIN_SIDE_PX = 64
_JPEG_QUALITY = 92
_VIDEO_FRAMES, _VIDEO_FPS, _VIDEO_OBJECTS = 60, 25.0, 4


def synthesise(
    folder: Path,
    *,
    images: Sequence[int] = (120, 30, 30),
    size_hw: tuple[int, int] = (320, 320),
    classes: int = 3,
    seed: int = 0,
    crowding: float = 0.2,
    video: bool = True,
) -> dict[str, dict[str, Any]]:
    """Write a COCO-format data set of painted shapes; equal arguments give equal bytes.

    The layout is COCO's: ``annotations/instances_SPLIT.json``, ``images/SPLIT/*.jpg``, and
    ``shapes.mp4`` with its truth in ``shapes_tracks.txt``. The folder appears whole or not at all.

    Args:
        folder: does not exist yet, or is empty.
        images: number of pictures for train, val and test; a split of 0 is not written.
        size_hw: (height, width) in pixels of most pictures, each >= 64; some are narrower.
        classes: 1 to 10 kinds of shapes.
        seed: picture i of a split depends only on this, the split and i.
        crowding: 0 (few large objects that do not touch) to 1 (many, small ones too, occluded,
            with crowds).
        video: also write a video of moving shapes, and where they are, as MOTChallenge's text:
            ``FRAME,ID,X,Y,WIDTH,HEIGHT,1,CLASS,VISIBLE`` with frames, ids and classes from 1, the
            box of what can be seen, and its share of the object; no line for a hidden one.

    Returns:
        The annotation tree of each split as written.

    Raises:
        ValueError: an argument out of its range.
        DataError: the folder is in use or cannot be written.
    """
    _check_arguments(images, size_hw, classes, seed, crowding)
    require_unused_folder(folder)
    folder = folder.absolute()
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    try:
        part.mkdir(parents=True)
        trees = {}
        for index, count in enumerate(images):
            if count:
                rngs = [np.random.default_rng([seed, index, i]) for i in range(count)]
                first_id = 1 + sum(images[:index])
                scenes = (make_scene(rng, size_hw, classes, crowding) for rng in rngs)
                trees[SPLITS[index]] = _write_split(part, SPLITS[index], scenes, first_id, classes)
        if video:
            rng = np.random.default_rng([seed, len(SPLITS)])
            tracks = _write_video(part / VIDEO_NAME, rng, size_hw, classes)
            (part / TRACKS_NAME).write_text("".join(tracks), encoding="ascii")
        put_in_unused(part, folder)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error}. Choose another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return trees


def visible_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The xywh box, whole pixels, around the set pixels of a mask [H, W] that is not empty."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, width, height


def _write_split(
    folder: Path, split: str, scenes: Iterable[Scene], first_id: int, classes: int
) -> dict[str, Any]:
    pictures = folder / "images" / split
    pictures.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=first_id):
        name = f"{image_id:06d}.jpg"
        height, width = scene.image.shape[:2]
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        jpeg = cv2.imencode(".jpg", scene.image[..., ::-1], quality)[1]
        (pictures / name).write_bytes(jpeg.tobytes())
        images.append(
            {"id": image_id, "file_name": name, "width": width, "height": height, "license": 1}
        )
        for instance in scene.instances:
            annotations.append(_annotation(instance, len(annotations) + 1, image_id))
    tree = {**_preamble(split, classes), "images": images, "annotations": annotations}
    file = folder / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(tree), encoding="utf-8")
    return tree


def _annotation(instance: Instance, annotation_id: int, image_id: int) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(instance.mask, dtype=np.uint8))
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": _CATEGORY_IDS[instance.label],
        "bbox": [float(value) for value in visible_box(instance.mask)],
        "area": float(instance.mask.sum()),
        "iscrowd": int(instance.crowd),
        "segmentation": {"size": code["size"], "counts": code["counts"].decode("ascii")},
    }


def _preamble(split: str, classes: int) -> dict[str, Any]:
    names = painting.class_names()[:classes]
    return {
        "info": {"description": f"yolokit shapes, {split} split", "version": "1.0"},
        "licenses": [
            {
                "id": 1,
                "name": "CC0 1.0",
                "url": "https://creativecommons.org/publicdomain/zero/1.0/",
            }
        ],
        "categories": [
            {"id": category_id, "name": name, "supercategory": "shape"}
            for category_id, name in zip(_CATEGORY_IDS, names, strict=False)
        ],
    }


def _write_video(path: Path, rng: Generator, size_hw: tuple[int, int], classes: int) -> list[str]:
    """Shapes that drift, turn and bounce off the picture's edges; the lines of their tracks."""
    tracks: list[str] = []
    height, width = (side // 2 * 2 for side in size_hw)  # the encoder wants even sides
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), _VIDEO_FPS, (width, height)
    )
    if not writer.isOpened():
        raise DataError(f"cannot write video {path.name}: this OpenCV has no mp4v encoder")
    ground, light = painting.paint_ground(rng, (height, width)), rng.uniform(0, 2 * math.pi)
    movers = [
        (painting.make_sprite(rng, index % classes), random_course(rng, (height, width)))
        for index in range(_VIDEO_OBJECTS)
    ]
    for frame in range(_VIDEO_FRAMES):
        canvas = ground.copy()
        poses = [(sprite, course.at(frame, (height, width))) for sprite, course in movers]
        for sprite, pose in poses:
            painting.paint_sprite(canvas, sprite, pose, light)
        tracks += _track_lines(frame, poses, (height, width), classes)
        writer.write(painting.develop(rng, canvas, blur=0.6, grain=4.0)[..., ::-1].copy())
    writer.release()
    return tracks


def _track_lines(
    frame: int,
    poses: Sequence[tuple[painting.Sprite, painting.Pose]],
    image_hw: tuple[int, int],
    classes: int,
) -> list[str]:
    """One frame's truth; what is painted later lies on top."""
    lines: list[str] = []
    hidden = np.zeros(image_hw, dtype=np.bool_)
    for index in reversed(range(len(poses))):
        whole = painting.covered(painting.shape_mask(*poses[index], image_hw))
        seen = whole & ~hidden
        hidden |= whole
        if seen.any():
            x, y, width, height = visible_box(seen)
            share = seen.sum() / whole.sum()
            of = f"{frame + 1},{index + 1},{x},{y},{width},{height}"
            lines.insert(0, f"{of},1,{index % classes + 1},{share:.3f}\n")
    return lines


def _check_arguments(
    images: Sequence[int], size_hw: tuple[int, int], classes: int, seed: int, crowding: float
) -> None:
    if len(images) != len(SPLITS) or min(images) < 0 or not images[0]:
        raise ValueError(f"images must be three counts, train at least 1, got {tuple(images)}")
    if min(size_hw) < _MIN_SIDE_PX:
        raise ValueError(f"size_hw must be at least {_MIN_SIDE_PX} px a side, got {size_hw}")
    if not 1 <= classes <= len(_CATEGORY_IDS):
        raise ValueError(f"classes must be 1 to {len(_CATEGORY_IDS)}, got {classes}")
    if seed < 0 or not 0 <= crowding <= 1:
        raise ValueError(f"seed must be >= 0 and crowding 0 to 1, got {seed} and {crowding}")
