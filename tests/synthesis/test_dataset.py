from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.data.locate import locate_splits
from yolokit.errors import DataError
from yolokit.synthesis import painting
from yolokit.synthesis.dataset import synthesise
from yolokit.synthesis.painting import Pose
from yolokit.synthesis.scenes import Layout, make_scene

SIZE_HW = (128, 160)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthesis") / "set"
    synthesise(folder, images=(24, 4, 3), size_hw=SIZE_HW, classes=6, seed=5, crowding=1.0)
    return folder


def tree_of(folder: Path, split: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"annotations/instances_{split}.json").read_text()))


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def loop_box(mask: np.ndarray) -> list[float]:
    """xywh around the set pixels, pixel by pixel."""
    points = [(x, y) for y, row in enumerate(mask) for x, value in enumerate(row) if value]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1]


def test_same_seed_same_bytes_other_seed_other_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesise(tmp_path / name, images=(3, 2, 1), size_hw=(96, 96), seed=seed, crowding=0.5)
    first, again, other = (content(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys() and len(first) == 3 + 6 + 2
    assert all(first[name] != other[name] for name in first)


def test_more_pictures_leave_the_first_as_they_were(tmp_path: Path) -> None:
    for name, count in (("few", 2), ("many", 4)):
        synthesise(tmp_path / name, images=(count, 0, 0), size_hw=(96, 96), video=False)
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    pictures = [name for name in few if name.endswith(".jpg")]
    assert len(pictures) == 2 and all(few[name] == many[name] for name in pictures)


def test_annotations_are_the_extent_and_area_of_their_masks(crowded: Path) -> None:
    tree = tree_of(crowded, "train")
    sizes = {image["id"]: (image["height"], image["width"]) for image in tree["images"]}
    taken = {image_id: np.zeros(size, dtype=bool) for image_id, size in sizes.items()}
    assert len(tree["annotations"]) > 40
    for annotation in tree["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
        assert mask.shape == sizes[annotation["image_id"]]
        assert annotation["bbox"] == loop_box(mask)
        assert annotation["area"] == mask.sum() >= 40
        assert not (mask & taken[annotation["image_id"]]).any()  # a pixel shows one object
        taken[annotation["image_id"]] |= mask


@pytest.mark.parametrize("seed", range(12))
def test_visible_pixels_are_those_a_painter_leaves(seed: int) -> None:
    """Painting all shapes back to front as flat numbers gives the same masks."""
    layout = Layout(np.random.default_rng(seed), (160, 160), 6)
    layout.place_objects(1.0)
    objects = len(layout.instances)
    layout.place_crowd()
    assert objects == sum(not instance.crowd for instance in layout.instances)
    owner = np.full((160, 160), -1)
    for number, (sprite, pose) in reversed(list(enumerate(layout.painted))):
        owner[painting.covered(painting.shape_mask(sprite, pose, (160, 160)))] = number
    for number, instance in enumerate(layout.instances):
        expected = owner >= objects if instance.crowd else owner == number
        assert np.array_equal(instance.mask, expected)


def test_crowds_come_with_crowding_only() -> None:
    def crowds(crowding: float) -> int:
        scenes = (make_scene(np.random.default_rng(s), (96, 96), 3, crowding) for s in range(60))
        return sum(instance.crowd for scene in scenes for instance in scene.instances)

    assert crowds(0.0) == 0
    assert 5 <= crowds(1.0) <= 30  # 0.3 of 60, less those hidden by other objects


def test_without_crowding_objects_keep_their_distance() -> None:
    for seed in range(30):
        layout = Layout(np.random.default_rng(seed), (160, 160), 5)
        layout.place_objects(0.0)
        poses = [pose for _, pose in layout.painted]
        assert 1 <= len(poses) <= 3
        for i, a in enumerate(poses):
            assert a.radius >= 0.099 * 160
            assert all(math.dist((a.x, a.y), (b.x, b.y)) > a.radius + b.radius for b in poses[:i])


def test_some_pictures_are_empty_and_some_narrower() -> None:
    scenes = [make_scene(np.random.default_rng(seed), (64, 64), 2, 0.2) for seed in range(150)]
    empty = sum(not scene.instances for scene in scenes)
    assert 2 <= empty <= 20  # 6 % of 150 is 9
    assert {scene.image.shape[:2] for scene in scenes} == {(64, 64), (48, 64), (64, 48)}


def test_the_set_reads_as_coco(crowded: Path) -> None:
    splits = locate_splits(crowded)
    assert set(splits) == {"train", "val", "test"}
    image_ids: list[int] = []
    for name, count in (("train", 24), ("val", 4), ("test", 3)):
        dataset = CocoDataset.load(splits[name])
        assert len(dataset) == count and not dataset.bad_boxes
        assert sorted(dataset.class_names) == sorted(painting.class_names()[:6])
        assert list(dataset.category_ids) != list(range(1, 7))  # sparse
        for index in range(count):
            assert read_image(dataset.image_path(index)).shape[:2] == tuple(dataset.sizes_hw[index])
        image_ids += dataset.image_ids.tolist()
        coco = COCO()
        coco.dataset = tree_of(crowded, name)
        coco.createIndex()
        assert len(coco.getImgIds()) == count
        assert {"info", "licenses"} <= coco.dataset.keys()
        assert 0 not in coco.getAnnIds()
    assert len(set(image_ids)) == len(image_ids)  # an id means one picture in the whole set


def test_video_moves(crowded: Path) -> None:
    capture = cv2.VideoCapture(str(crowded / "shapes.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 25.0
    frames = []
    while True:
        more, frame = capture.read()
        if not more:
            break
        frames.append(frame.astype(int))
    assert len(frames) == 60 and frames[0].shape == (*SIZE_HW, 3)
    # Most of the picture stands still, what an object left or reached has changed.
    changed = (np.abs(frames[0] - frames[30]).max(axis=2) > 60).mean()
    assert 0.02 < changed < 0.6


def test_tracks_of_the_video_are_where_it_moves(crowded: Path) -> None:
    """Against the film itself: what differs from the still ground lies in the boxes of truth."""
    rows = np.loadtxt(crowded / "shapes_tracks.txt", delimiter=",")
    assert sorted(set(rows[:, 1])) == [1, 2, 3, 4] and set(rows[:, 0]) == set(range(1, 61))
    assert (np.diff(rows[:, 0]) >= 0).all()
    for track in (1, 2, 3, 4):
        assert len(set(rows[rows[:, 1] == track, 7])) == 1  # an object is of one class
    capture = cv2.VideoCapture(str(crowded / "shapes.mp4"))
    frames = np.array([capture.read()[1] for _ in range(60)], np.float32)
    ground = np.median(frames, axis=0)
    for number in (1, 30, 60):
        moved = np.abs(frames[number - 1] - ground).max(axis=2) > 70
        inside = np.zeros(moved.shape, np.bool_)
        for x, y, width, height in rows[rows[:, 0] == number, 2:6].astype(int):
            assert moved[y : y + height, x : x + width].mean() > 0.1
            inside[max(0, y - 6) : y + height + 6, max(0, x - 6) : x + width + 6] = True
        assert (moved & ~inside).sum() < 0.05 * (moved & inside).sum()  # a ground it hid till then


def test_shape_mask_of_a_disc_is_the_disc() -> None:
    sprite = painting.make_sprite(np.random.default_rng(0), painting.class_names().index("disc"))
    pose = Pose(x=40.3, y=31.7, radius=18.0, angle=1.0)
    mask = painting.covered(painting.shape_mask(sprite, pose, (64, 80)))
    y, x = np.mgrid[:64, :80]
    distance = np.hypot(x - 40.3, y - 31.7)
    assert mask[distance <= 17.5].all()
    assert not mask[distance > 19.2].any()  # OpenCV fills the pixels on the rim as well
    assert painting.shape_area(sprite, pose) == pytest.approx(math.pi * 18**2, rel=0.01)


@pytest.mark.parametrize("label", range(10))
def test_each_shape_has_its_area_and_stays_in_its_radius(label: int) -> None:
    sprite = painting.make_sprite(np.random.default_rng(label), label)
    pose = Pose(x=100.0, y=100.0, radius=70.0, angle=0.7 * label)
    mask = painting.covered(painting.shape_mask(sprite, pose, (200, 200)))
    rim = sum(
        70 * np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum() for ring in sprite.rings
    )
    assert 0 <= mask.sum() - painting.shape_area(sprite, pose) <= rim  # a pixel wide at most
    y, x = np.nonzero(mask)
    assert 60 < np.hypot(x - 100, y - 100).max() < 72


def test_a_sprite_is_painted_where_its_mask_is() -> None:
    rng = np.random.default_rng(1)
    red = np.zeros((96, 96, 3), dtype=np.float32)
    red[..., 0] = 1
    for label in range(len(painting.class_names())):
        sprite = painting.Sprite(painting.make_sprite(rng, label).rings, red)
        pose = Pose(x=25.5, y=40.2, radius=30.0, angle=0.4)  # reaches over the left edge
        canvas = np.full((80, 90, 3), 0.5, dtype=np.float32)
        painting.paint_sprite(canvas, sprite, pose, light=2.0)
        mask = painting.shape_mask(sprite, pose, (80, 90))
        inside, outside = canvas[mask == 255], canvas[mask == 0]
        assert inside[:, 0].min() > 0 and not inside[:, 1:].any()  # red alone
        assert (outside == outside[:, :1]).all()  # grey alone, darkened by the shadow
        assert 0.2 < outside.min() < 0.45 and outside.max() == 0.5


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        synthesise(tmp_path, images=(1, 0, 0))
    with pytest.raises(DataError, match="not an empty folder"):
        synthesise(tmp_path / "mine.txt", images=(1, 0, 0))
    assert content(tmp_path) == {"mine.txt": b"mine"}


def test_an_empty_folder_is_filled_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    synthesise(tmp_path / "new", images=(1, 0, 0), size_hw=(64, 64), video=False)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert len(content(tmp_path / "new")) == 2


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*Choose another"):
        synthesise(tmp_path / "file" / "set", images=(1, 0, 0))


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # bytes: no JPEG fits
    try:
        with pytest.raises(DataError, match="cannot write"):
            synthesise(tmp_path / "set", images=(2, 0, 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": (1, 2)}, "three counts"),
        ({"images": (0, 2, 2)}, "train at least 1"),
        ({"size_hw": (63, 320)}, "at least 64"),
        ({"classes": 11}, "1 to 10"),
        ({"crowding": 1.5}, "0 to 1"),
        ({"seed": -1}, ">= 0"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthesise(tmp_path / "set", **wrong)
    assert not (tmp_path / "set").exists()
