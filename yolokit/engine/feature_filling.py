"""Making the feature maps of a training before its first step."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from yolokit._version import __version__
from yolokit.backbones.backbone import all_frozen
from yolokit.config import ResolvedConfig
from yolokit.data.cache import pictures_digest
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset, collate, worker_init
from yolokit.data.shared_memory import require_shared_memory
from yolokit.engine.console import LINES_APART, Console, clock_text
from yolokit.engine.feature_store import LARGEST, FeatureStore, Made, Shape
from yolokit.errors import DataError
from yolokit.models.detector import Detector
from yolokit.types import Batch

_FORMAT = 1  # of the files: raise it when what they hold changes


class FeatureFilling(lightning.Callback):
    """Fills a feature store once the backbone has its weights; what is there already is kept.

    Args:
        store: to be filled.
        config: of the run.
        train_set: what it trains on.
        pictures: opens the augmented pictures; they are let go when the store is full.
        console: where it speaks.

    Attributes:
        at_work: filling; stays so where it failed.
    """

    def __init__(
        self,
        *,
        store: FeatureStore,
        config: ResolvedConfig,
        train_set: CocoDataset,
        pictures: Callable[[], DetectionDataset],
        console: Console,
    ) -> None:
        self.store, self.config, self.train_set = store, config, train_set
        self.pictures, self.console = pictures, console
        self.at_work = False

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Make the maps, in the precision in which the training computes."""
        self.at_work = True
        with trainer.precision_plugin.forward_context():
            self._fill(pl_module.detector, pl_module.device)
        self.at_work = False

    def _fill(self, detector: Detector, device: torch.device) -> None:
        size = f"{self.store.kept.all_bytes / 1e9:.1f} GB"
        count = len(self.store.kept.plan)
        fingerprint = self._fingerprint(detector, device.type)
        if self.store.holds(fingerprint):
            self.console.say(f"taking {count} feature maps ({size}) from {self.store.folder}")
            return
        self.console.say(f"making {count} feature maps ({size}) …")
        started = time.monotonic()
        self.store.fill(fingerprint, self._made(detector, device))
        self.console.close_bar()
        self.console.say(f"made them in {clock_text(time.monotonic() - started)}")

    def _made(self, detector: Detector, device: torch.device) -> Iterator[Made]:
        shapes, total = self.store.kept.shapes, len(self.store.kept.plan)
        started, done = time.monotonic(), 0
        with all_frozen(detector.backbone):
            for batch in self._batches(device):
                with torch.no_grad():  # not around the yield: callers may go on computing there
                    maps = detector.backbone(detector.normalise(batch.images.to(device)))
                    halves = _halves(maps, shapes, batch, self.train_set)
                yield halves, batch.truths
                done += len(batch.image_ids)
                self._show(done, total, time.monotonic() - started)

    def _batches(self, device: torch.device) -> DataLoader[Any]:
        pictures, train = self.pictures(), self.config.train
        height, width = pictures.input_hw
        require_shared_memory(3 * height * width * train.batch_size, workers=train.workers)
        return DataLoader(
            pictures,
            batch_size=train.batch_size,
            sampler=self.store.kept.plan.samples(),
            collate_fn=collate,
            num_workers=train.workers,
            worker_init_fn=worker_init,
            pin_memory=device.type == "cuda",
        )

    def _show(self, done: int, total: int, seconds: float) -> None:
        left = f"{clock_text(seconds * (total - done) / done)} left"
        if self.console.watched:
            self.console.show(done / total, lambda: (f"feature maps {done}/{total}", left))
        elif self.console.quiet_for() >= LINES_APART:
            self.console.say(f"feature maps {done} of {total}  {left}")

    def _fingerprint(self, detector: Detector, device: str) -> str:
        """SHA-256 of all that the maps depend on."""
        config, kept = self.config, self.store.kept
        said = [
            *(_FORMAT, __version__, torch.__version__, device, torch.get_num_threads()),
            *(config.train.precision, config.train.seed, config.train.batch_size),
            config.augment.model_dump(mode="json"),
            *(kept.shapes, kept.plan.turns, detector.backbone.mean, detector.backbone.std),
        ]
        digest = pictures_digest(self.train_set, kept.image_hw)
        digest.update(json.dumps(said).encode())
        digest.update(kept.plan.rows.tobytes())
        for name, tensor in detector.backbone.state_dict().items():
            digest.update(name.encode())
            digest.update(hashlib.sha256(tensor.cpu().contiguous().numpy().data).digest())
        return str(digest.hexdigest())


def read_levels(detector: Detector, image_hw: tuple[int, int]) -> tuple[Shape | None, ...]:
    """The shape (h, w, C) of each level of the backbone; None where neck and head do not read it.

    A level is read if the outputs have a gradient with respect to it.

    Args:
        detector: in any mode; not changed.
        image_hw: the input's (height, width), pixels.
    """
    training = detector.training
    sizes = [
        (-(-image_hw[0] // level.stride), -(-image_hw[1] // level.stride), level.channels)
        for level in detector.backbone.levels
    ]
    device = detector.get_buffer("mean").device
    features = [torch.zeros((1, c, h, w), device=device, requires_grad=True) for h, w, c in sizes]
    try:
        outputs = detector.eval().from_features(features, image_hw)
        total = torch.stack([each.box_codes.sum() + each.classes.sum() for each in outputs]).sum()
        found = torch.autograd.grad(total, features, allow_unused=True)
    finally:
        detector.train(training)
    return tuple(
        size if gradient is not None else None for size, gradient in zip(sizes, found, strict=True)
    )


def _halves(
    maps: list[Tensor], shapes: tuple[Shape | None, ...], batch: Batch, train_set: CocoDataset
) -> list[Tensor]:
    """The maps that are read, [B, h, w, C] float16 on the CPU.

    Raises:
        DataError: a number that 16 bits do not hold.
    """
    halves = []
    for each, shape in zip(maps, shapes, strict=True):
        if shape is None:
            continue
        half = each.permute(0, 2, 3, 1).half()
        if not torch.isfinite(half).all():
            raise _too_large(each, batch, train_set)
        halves.append(half.cpu())
    return halves


def _too_large(maps: Tensor, batch: Batch, train_set: CocoDataset) -> DataError:
    largest = maps.float().abs().amax((1, 2, 3)).nan_to_num(nan=torch.inf)  # [B]
    worst = int(largest.argmax())
    image_id = batch.image_ids[worst]
    path = train_set.image_path(list(train_set.image_ids).index(image_id))
    return DataError(
        f"the backbone's maps of {path} reach {float(largest[worst]):.3g}, and the 16 bits of "
        f"train.feature_cache hold {LARGEST:.0f}. Set train.feature_cache to 0, or take other "
        "weights for the backbone"
    )
