"""Samples, batches and seeds: nothing but the key decides what the network is fed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data._utils.pin_memory import pin_memory

from yolokit.data.augment import Augmenter
from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.data.loading import (
    DetectionDataset,
    Prepared,
    collate,
    sample_seed,
    worker_init,
)
from yolokit.data.prepare import prepare_image
from yolokit.errors import DataError, ImageError
from yolokit.ops.letterbox import boxes_to_original
from yolokit.sections import ResolvedAugment, SplitConfig
from yolokit.types import Batch, Sample

INPUT_HW = (64, 96)
EVERYTHING = ResolvedAugment(
    mosaic=0.5, vflip=0.5, crop=0.5, rotate=10, blur=0.5, noise=0.5, hue=0.1
)
PaintedSplit = Callable[..., SplitConfig]


def equal(first: Prepared, second: Prepared) -> bool:
    return (
        torch.equal(first.image, second.image)
        and torch.equal(first.truth.boxes, second.truth.boxes)
        and torch.equal(first.truth.labels, second.truth.labels)
        and first.image_id == second.image_id
        and first.letterbox == second.letterbox
    )


def test_evaluation_pixels_are_the_prepared_file_and_never_change(
    painted_split: PaintedSplit,
) -> None:
    data = CocoDataset.load(painted_split(5))
    dataset = DetectionDataset(data, INPUT_HW)
    for index in range(5):
        expected, letterbox = prepare_image(read_image(data.image_path(index)), INPUT_HW)
        for epoch in range(3):
            found = dataset[epoch, index]
            np.testing.assert_array_equal(found.image.permute(1, 2, 0).numpy(), expected)
            assert found.letterbox == letterbox
            np.testing.assert_allclose(
                boxes_to_original(found.truth.boxes.numpy(), letterbox),
                data.truth(index).boxes,
                atol=1e-3,
            )
        assert equal(dataset[index], dataset[7, index, False])


def test_evaluation_pixels_are_the_same_from_workers(painted_split: PaintedSplit) -> None:
    dataset = DetectionDataset(CocoDataset.load(painted_split(5)), INPUT_HW)
    keys = [(0, index) for index in range(5)]
    batches = load(dataset, keys, workers=2)
    assert [each for batch in batches for each in batch.image_ids] == [10, 11, 12, 13, 14]
    images = torch.cat([batch.images for batch in batches])
    assert torch.equal(images, torch.stack([dataset[key].image for key in keys]))


def test_crowd_boxes_are_no_training_truth(painted_split: PaintedSplit) -> None:
    data = CocoDataset.load(painted_split(3, crowd_in=1, empty=2))
    augmenter = Augmenter(ResolvedAugment(mosaic=0, scale=0, translate=0), INPUT_HW)
    for dataset in (
        DetectionDataset(data, INPUT_HW),
        DetectionDataset(data, INPUT_HW, augmenter=augmenter),
    ):
        assert [dataset[index].truth.labels.tolist() for index in range(3)] == [[0, 1], [0], []]
        assert dataset[2].truth.boxes.shape == (0, 4)
    assert data.truth(1).crowd.tolist() == [False, True]


@pytest.mark.parametrize("cache", ["ram", "disk"])
@pytest.mark.parametrize("augment", [False, True])
def test_a_cache_changes_no_pixel(
    painted_split: PaintedSplit, tmp_path: Path, cache: Any, augment: bool
) -> None:
    data = CocoDataset.load(painted_split(5))
    augmenter = Augmenter(EVERYTHING, INPUT_HW) if augment else None
    plain = DetectionDataset(data, INPUT_HW, augmenter=augmenter)
    kept = DetectionDataset(
        data, INPUT_HW, augmenter=augmenter, cache=cache, cache_folder=tmp_path / "cache"
    )
    copy = pickle.loads(pickle.dumps(kept))  # what a spawned worker gets
    for picture in data.image_paths:
        picture.unlink()  # from here on only the cache can answer
    for index in range(5):
        assert equal(kept[3, index], copy[3, index])
    painted_split(5)
    for index in range(5):
        assert equal(kept[3, index], plain[3, index])


def test_the_disk_cache_is_used_again_and_follows_the_files(
    painted_split: PaintedSplit, tmp_path: Path
) -> None:
    data = CocoDataset.load(painted_split(3))
    folder = tmp_path / "cache"

    def cached() -> DetectionDataset:
        return DetectionDataset(data, INPUT_HW, cache="disk", cache_folder=folder)

    cached()
    (file,) = folder.iterdir()  # and no half-written one beside it
    stamp = file.stat().st_mtime_ns
    cached()
    assert [each.stat().st_mtime_ns for each in folder.iterdir()] == [stamp]
    picture = data.image_path(0)
    Image.fromarray(255 - read_image(picture)).save(picture)
    fresh, _ = prepare_image(read_image(picture), INPUT_HW)
    np.testing.assert_array_equal(cached()[0].image.permute(1, 2, 0).numpy(), fresh)


def test_a_cache_that_does_not_fit_is_an_error(
    painted_split: PaintedSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = CocoDataset.load(painted_split(3))
    monkeypatch.setattr("os.sysconf", lambda name: 100)  # 100 pages of 100 bytes
    with pytest.raises(DataError, match=r"Use data\.cache=disk"):
        DetectionDataset(data, INPUT_HW, cache="ram")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write the picture cache"):
        DetectionDataset(data, INPUT_HW, cache="disk", cache_folder=tmp_path / "file")


@pytest.mark.parametrize("cache", ["none", "ram"])
def test_a_picture_of_another_size_than_stated_is_an_error(
    painted_split: PaintedSplit, cache: Any
) -> None:
    data = CocoDataset.load(painted_split(2))
    Image.new("RGB", (20, 30)).save(data.image_path(1))
    with pytest.raises(ImageError, match=r"1\.png is 20x30 pixels but its annotation says 101x67"):
        DetectionDataset(data, INPUT_HW, cache=cache)[1]


def test_an_index_outside_is_an_error(painted_split: PaintedSplit) -> None:
    dataset = DetectionDataset(CocoDataset.load(painted_split(2)), INPUT_HW)
    for index in (2, -1):
        with pytest.raises(IndexError):
            dataset[0, index]


def test_collate_stacks_images_and_keeps_truths_apart(painted_split: PaintedSplit) -> None:
    dataset = DetectionDataset(CocoDataset.load(painted_split(3, empty=1)), INPUT_HW)
    samples = [dataset[index] for index in range(3)]
    batch = collate(samples)
    assert batch.images.shape == (3, 3, *INPUT_HW)
    assert batch.images.dtype == torch.uint8
    assert [len(truth.boxes) for truth in batch.truths] == [2, 0, 2]
    assert batch.image_ids == [10, 11, 12]
    assert batch.letterboxes == [sample.letterbox for sample in samples]


def test_a_batch_is_pinned_by_the_loader(
    painted_split: PaintedSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own hook, as its pinning thread calls it; only the page lock needs a GPU."""
    pinned: list[int] = []

    def lock(tensor: torch.Tensor, *_: object) -> torch.Tensor:
        pinned.append(tensor.data_ptr())
        return tensor.clone()

    dataset = DetectionDataset(CocoDataset.load(painted_split(2)), INPUT_HW)
    batch = collate([dataset[0], dataset[1]])
    monkeypatch.setattr(torch.Tensor, "pin_memory", lock)
    result = pin_memory(batch)
    tensors = [batch.images, *(t for truth in batch.truths for t in (truth.boxes, truth.labels))]
    assert sorted(pinned) == sorted(tensor.data_ptr() for tensor in tensors)
    assert isinstance(result, Batch)
    assert torch.equal(result.images, batch.images) and result.image_ids == batch.image_ids
    assert torch.equal(result.truths[1].boxes, batch.truths[1].boxes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_loaded_batch_lies_in_page_locked_memory(painted_split: PaintedSplit) -> None:
    dataset = DetectionDataset(CocoDataset.load(painted_split(2)), INPUT_HW)
    (batch,) = DataLoader(dataset, batch_size=2, collate_fn=collate, pin_memory=True)
    assert batch.images.is_pinned() and batch.truths[0].boxes.is_pinned()


def test_a_failing_augmentation_names_its_picture(painted_split: PaintedSplit) -> None:
    def fail(*_: object) -> Sample:
        raise ZeroDivisionError("float division")

    dataset = DetectionDataset(CocoDataset.load(painted_split(2)), INPUT_HW, augmenter=fail)
    with pytest.raises(DataError, match=r"1\.png \(image id 11, epoch 3\): ZeroDivisionError"):
        dataset[3, 1]


def load(dataset: DetectionDataset, keys: list[Any], workers: int) -> list[Batch]:
    loader = DataLoader(
        dataset,
        batch_size=4,
        sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=worker_init,
    )
    return list(loader)


def keys_of(epoch: int) -> list[tuple[int, int]]:
    return [(epoch, index) for index in range(8)]


def test_augmented_batches_are_equal_for_any_number_of_workers(
    painted_split: PaintedSplit,
) -> None:
    augmenter = Augmenter(EVERYTHING, INPUT_HW)
    data = CocoDataset.load(painted_split(8))
    dataset = DetectionDataset(data, INPUT_HW, augmenter=augmenter, seed=5)
    alone = load(dataset, keys_of(0) + keys_of(1), workers=0)
    for workers in (1, 2):
        shared = load(dataset, keys_of(0) + keys_of(1), workers=workers)
        for first, second in zip(alone, shared, strict=True):
            assert torch.equal(first.images, second.images)
            for one, other in zip(first.truths, second.truths, strict=True):
                assert torch.equal(one.boxes, other.boxes)
                assert torch.equal(one.labels, other.labels)


def test_workers_epochs_and_seeds_draw_apart(tmp_path: Path, write_split: Any) -> None:
    """The trap: unseeded albumentations gives every worker, and every epoch, the same draws."""
    pixels = np.random.default_rng(0).integers(0, 256, (*INPUT_HW, 3), dtype=np.uint8)
    images = []
    for number in range(8):  # eight copies of one picture: only the draws can differ
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 64})
    data = CocoDataset.load(write_split(images=images))
    augmenter = Augmenter(ResolvedAugment(mosaic=0), INPUT_HW)

    def drawn(seed: int, epoch: int) -> list[bytes]:
        dataset = DetectionDataset(data, INPUT_HW, augmenter=augmenter, seed=seed)
        batches = load(dataset, keys_of(epoch), workers=2)
        return [image.numpy().tobytes() for batch in batches for image in batch.images]

    everything = drawn(0, 0) + drawn(0, 1) + drawn(1, 0)
    assert len(set(everything)) == 24
    assert drawn(0, 1) == everything[8:16]


def test_the_third_key_entry_rules_mosaic_out(painted_split: PaintedSplit) -> None:
    always = Augmenter(ResolvedAugment(mosaic=1, scale=0, translate=0), INPUT_HW)
    never = Augmenter(ResolvedAugment(mosaic=0, scale=0, translate=0), INPUT_HW)
    data = CocoDataset.load(painted_split(6))
    with_mosaic = DetectionDataset(data, INPUT_HW, augmenter=always)
    without = DetectionDataset(data, INPUT_HW, augmenter=never)
    assert equal(with_mosaic[0, 1], with_mosaic[0, 1, True])
    assert not equal(with_mosaic[0, 1, True], with_mosaic[0, 1, False])
    assert len(with_mosaic[0, 1, False].truth.boxes) == len(without[0, 1].truth.boxes) == 2


def test_sample_seed_is_stable_and_spreads() -> None:
    # golden, by coreutils: printf 1,2,3 | b2sum -l 64, its eight bytes little-endian
    assert sample_seed(1, 2, 3) == int.from_bytes(bytes.fromhex("e2353910701f1c2a"), "little")
    seeds = {sample_seed(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert sample_seed(1, 11, 1) != sample_seed(11, 1, 1) != sample_seed(1, 1, 11)
