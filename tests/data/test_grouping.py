"""Which pictures hang together, by their names, their looks, and through each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from yolokit.data.grouping import grouped, naming_rule, source_of
from yolokit.data.look_alikes import look_alikes, thumbnails
from yolokit.errors import ImageError


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("IMG_8512_MOV-3.jpg", "IMG_8512_MOV"),
        ("a/gate_mp4-12_jpg.rf.0a1b2c.jpg", "a/gate_mp4"),
        ("walk.mp4_000123.png", "walk.mp4"),
        ("gate_frame_0012.png", "gate"),
        ("gate-Frame12.png", "gate"),
        ("dog_jpg.rf.1f2e3d.jpg", "dog_jpg"),
        ("dog.1.jpg", None),
        ("IMG_8512.jpg", None),
        ("000123.jpg", None),
        ("frame_0001.jpg", None),  # of which film it does not say
        ("movie poster 3.jpg", None),
        ("frameless_12.jpg", None),
        ("film_mp4.jpg", None),
    ],
)
def test_the_source_that_a_name_tells(name: str, source: str | None) -> None:
    assert source_of(name) == source


def _groups(names: list[str], rule: str, *pairs: tuple[int, int]) -> list[int]:
    return grouped(names, naming_rule(rule), pairs).group_of.tolist()


def test_groups_by_folder_by_an_expression_and_not_at_all() -> None:
    names = ["a/1.jpg", "b/2.jpg", "a/3.jpg", "b/cow_7.jpg", "cow_8.jpg"]
    assert _groups(names, "folder") == [0, 1, 0, 1, 2]
    assert _groups(names, "cow") == [0, 1, 2, 3, 3]
    assert _groups(names, r"(\w)/") == [0, 1, 0, 1, 2]
    assert _groups(["x_1.jpg", "x_2.jpg"], r"x_(\d)?") == [0, 1]
    assert _groups(["y_1.jpg", "y.jpg"], r"y(_\d)?") == [0, 1]  # a group that is not there
    assert _groups(names, "none") == _groups(names, "names") == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no regular expression"):
        naming_rule("(")


def test_what_hangs_together_through_a_third_is_one_group() -> None:
    """1 and 2 are of one film, 2 looks like 4, 4 like 0: only 3 is alone."""
    names = ["x.jpg", "f_mp4-1.jpg", "f_mp4-2.jpg", "y.jpg", "z.jpg"]
    grouping = grouped(names, source_of, [(2, 4), (0, 4)])
    assert grouping.group_of.tolist() == [0, 0, 0, 1, 0]
    assert grouping.sizes.tolist() == [4, 1]
    assert (grouping.by_name, grouping.look_alikes) == (2, 3)


Save = Callable[..., Path]


@pytest.fixture
def scene() -> Image.Image:
    """Ten grey discs of random place and size on noise, as a photo of 240x160."""
    return _scene(0)


def _scene(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :240]
    pixels = np.full((160, 240), 120.0) + rng.normal(0, 4, (160, 240))
    for _ in range(10):
        at_y, at_x, radius = rng.uniform(0, 160), rng.uniform(0, 240), rng.uniform(10, 40)
        pixels[(y - at_y) ** 2 + (x - at_x) ** 2 < radius**2] += rng.uniform(-70, 70)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")


def test_a_picture_is_known_again_however_it_was_saved(scene: Image.Image, tmp_path: Path) -> None:
    variants = {
        "poor.jpg": scene,
        "small.png": scene.resize((120, 80)),
        "dark.png": ImageEnhance.Brightness(scene).enhance(0.7),
        "flat.png": ImageEnhance.Contrast(scene).enhance(0.6),
        "mirrored.png": scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "grey.png": scene.convert("L"),
        "moved.png": scene.transform(scene.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, 1)),
    }
    scene.save(tmp_path / "a.png")
    for name, picture in variants.items():
        picture.save(tmp_path / name, **({"quality": 30} if name == "poor.jpg" else {}))
    others = [f"other{seed}.png" for seed in range(1, 21)]
    for seed, name in enumerate(others, start=1):
        _scene(seed).save(tmp_path / name)
    paths = [tmp_path / name for name in ["a.png", *variants, *others]]
    pairs = look_alikes(thumbnails(paths))
    assert {pair for pair in pairs if pair[0] == 0} == {(0, i) for i in range(1, 8)}
    assert max(j for _, j in pairs) == 7  # none of the others looks like anything


def test_pairs_are_those_of_the_definition() -> None:
    """Correlation of every pair of 16x16 values, as NumPy has it."""
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, (6, 16, 16))
    mixed = np.concatenate([base, (0.7 * base + 0.3 * rng.integers(0, 256, base.shape))])
    small = np.concatenate([mixed, mixed[:2, :, ::-1]]).astype(np.uint8)
    flat = [each.astype(float).ravel() for each in small]
    mirrored = [each[:, ::-1].astype(float).ravel() for each in small]
    expected = [
        (i, j)
        for i in range(len(small))
        for j in range(i + 1, len(small))
        if max(np.corrcoef(flat[i], other[j])[0, 1] for other in (flat, mirrored)) >= 0.9
    ]
    assert expected and look_alikes(small, alike=0.9) == expected


def test_pictures_of_one_colour_look_like_nothing() -> None:
    small = np.full((3, 16, 16), 90, dtype=np.uint8)
    small[2, 0, 0] += 9
    assert look_alikes(small) == []
    assert look_alikes(small[:0]) == []


def test_a_missing_or_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for name in ("broken.jpg", "absent.jpg"):
        with pytest.raises(ImageError, match=name):
            thumbnails([tmp_path / name])


def test_a_turned_photo_is_seen_upright(scene: Image.Image, tmp_path: Path) -> None:
    """EXIF orientation 6: stored lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    scene.save(tmp_path / "a.png")
    scene.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.jpg", exif=exif, quality=95)
    assert look_alikes(thumbnails([tmp_path / "a.png", tmp_path / "b.jpg"])) == [(0, 1)]
