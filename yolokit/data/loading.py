"""From a data set to batches: one seeded, prepared picture per key, and their collation.

A key names everything that a training sample depends on, ``(epoch, index)`` or
``(epoch, index, mosaic)``, so that neither the number of workers nor a resumed run changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from yolokit.data.cache import CacheMode, PictureStore, open_store
from yolokit.data.coco import CocoDataset
from yolokit.data.prepare import pad_image
from yolokit.errors import DataError, YolokitError
from yolokit.machine import usable_cpus
from yolokit.ops.letterbox import boxes_to_input, fit_letterbox
from yolokit.signals import outlive_group_signals
from yolokit.types import Batch, ImageId, Letterbox, Sample, Truth

_MOST_WORKERS = 8  # beyond that a GPU has no use for them on pictures of a few hundred pixels

SampleKey: TypeAlias = int | tuple[int, int] | tuple[int, int, bool]


class SampleAugmenter(Protocol):
    """What changes a training sample; `yolokit.data.augment.Augmenter` is one."""

    def __call__(
        self, sample: Sample, seed: int, draw_other: Callable[[int], Sample], mosaic: bool = True
    ) -> Sample: ...


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One picture as the network is fed: image [3, H, W] uint8 RGB, truth in input pixels.

    ``letterbox`` leads back to the original picture; that of an augmented sample is the identity
    of the input frame, because no single scale and shift leads back from there.
    """

    image: Tensor
    truth: Truth
    letterbox: Letterbox
    image_id: ImageId


class DetectionDataset(Dataset[Prepared]):
    """The pictures of a split, prepared for the network.

    Args:
        data: the split.
        input_hw: the network input's (height, width), pixels.
        augmenter: changes training samples; None (evaluation) leaves every pixel as prepared.
        seed: the run's seed, from which each sample's own is made.
        cache: keep decoded pictures at input resolution in memory or in a file.
        cache_folder: where ``cache="disk"`` keeps its file; by default the user's cache folder.

    Raises:
        DataError: the cache does not fit.
        ImageError: a picture cannot be decoded, or has another size than its annotation says.
    """

    def __init__(
        self,
        data: CocoDataset,
        input_hw: tuple[int, int],
        *,
        augmenter: SampleAugmenter | None = None,
        seed: int = 0,
        cache: CacheMode = "none",
        cache_folder: Path | None = None,
    ) -> None:
        self.data = data
        self.input_hw = input_hw
        self.augmenter = augmenter
        self.seed = seed
        self._pictures: PictureStore = open_store(data, input_hw, cache, cache_folder)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: SampleKey) -> Prepared:
        """The sample of a key; False as its third entry leaves mosaic out, an int is epoch 0."""
        epoch, index, *rest = (0, key) if isinstance(key, int) else key
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside a data set of {len(self)} pictures")
        if self.augmenter is None:
            return self._evaluation_sample(index)
        seed = sample_seed(self.seed, epoch, index)
        mosaic = bool(rest[0]) if rest else True
        try:
            sample = self.augmenter(self.sample(index), seed, self._draw_other, mosaic)
        except YolokitError:
            raise
        except Exception as error:  # of whichever kind: a run of hours must say which picture
            reason = " ".join(str(error).split())
            raise DataError(
                f"cannot augment {self.data.image_path(index)} (image id "
                f"{self.data.image_id(index)}, epoch {epoch}): {type(error).__name__}: "
                f"{reason}. Look at its boxes, or train without augmentation"
            ) from error
        return _prepared(sample, fit_letterbox(self.input_hw, self.input_hw))

    def sample(self, index: int) -> Sample:
        """Picture ``index`` scaled to input resolution, unpadded, without its crowd boxes."""
        letterbox = self._letterbox(index)
        left, top = letterbox.pad_xy
        boxes, labels = self._input_truth(index, letterbox)
        shift = np.array([left, top, left, top], dtype=np.float32)
        image_id = self.data.image_id(index)
        return Sample(self._pictures(index), boxes - shift, labels, image_id)

    def _draw_other(self, number: int) -> Sample:
        return self.sample(number % len(self))

    def _evaluation_sample(self, index: int) -> Prepared:
        letterbox = self._letterbox(index)
        image = pad_image(self._pictures(index), letterbox)
        boxes, labels = self._input_truth(index, letterbox)
        sample = Sample(image, boxes, labels, self.data.image_id(index))
        return _prepared(sample, letterbox)

    def _letterbox(self, index: int) -> Letterbox:
        height, width = self.data.sizes_hw[index].tolist()
        return fit_letterbox((height, width), self.input_hw)

    def _input_truth(
        self, index: int, letterbox: Letterbox
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        boxes, labels, crowd = self.data.truth(index)
        boxes = boxes_to_input(boxes, letterbox)
        kept = ~crowd & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # a hair may vanish when scaled
        return boxes[kept], labels[kept]


def collate(samples: Sequence[Prepared]) -> Batch:
    """Stack prepared pictures of one size; truths stay a list, one entry a picture."""
    return Batch(
        images=torch.stack([sample.image for sample in samples]),
        truths=[sample.truth for sample in samples],
        letterboxes=[sample.letterbox for sample in samples],
        image_ids=[sample.image_id for sample in samples],
    )


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """A 64-bit seed for one sample of one epoch; equal on every machine and Python.

    Hashed, not added up, so that neighbouring epochs and pictures share no random sequence.
    """
    digest = hashlib.blake2b(f"{seed},{epoch},{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def spare_workers(device_type: str, processes: int = 1) -> int:
    """How many loading processes suit a device, when nobody says.

    None beside a CPU, which the network keeps busy by itself; else the processors to spare, of
    those that this process may use.

    Args:
        device_type: "cpu", "cuda" or "mps".
        processes: that share this machine's cores.
    """
    if device_type == "cpu":
        return 0
    return min(_MOST_WORKERS, max(1, usable_cpus() // processes - 1))


def worker_init(worker_id: int) -> None:
    """For ``DataLoader(worker_init_fn=...)``: one thread a worker, the workers are the threads.

    A signal to the whole group is the first process's to answer: it needs the batch under way.
    """
    del worker_id
    outlive_group_signals()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _prepared(sample: Sample, letterbox: Letterbox) -> Prepared:
    image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
    truth = Truth(
        boxes=torch.from_numpy(np.array(sample.boxes, dtype=np.float32).reshape(-1, 4)),
        labels=torch.from_numpy(np.array(sample.labels, dtype=np.int64)),
    )
    return Prepared(image, truth, letterbox, sample.image_id)
