"""The training pictures as Lightning wants them, resumable in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
from torch.utils.data import DataLoader

from yolokit.data.loading import DetectionDataset, collate, worker_init
from yolokit.data.shared_memory import require_shared_memory
from yolokit.engine.feature_store import FeatureStore
from yolokit.engine.sampling import EpochSampler
from yolokit.types import FeatureBatch


class TrainingData(lightning.LightningDataModule):
    """Deals out training batches and remembers how many of an epoch are done.

    Args:
        dataset: augmented training pictures, or their maps.
        batch_size: pictures in a global batch, over all ranks.
        workers: loading processes per rank; 0 loads in the training process.
        seed: of the run.
        mosaic: whether a batch may use mosaic, by its number in the whole run.
    """

    def __init__(
        self,
        *,
        dataset: DetectionDataset | FeatureStore,
        batch_size: int,
        workers: int,
        seed: int,
        mosaic: Callable[[int], bool],
    ) -> None:
        super().__init__()
        self.mosaic = mosaic
        self.dataset, self.batch_size, self.workers, self.seed = dataset, batch_size, workers, seed
        self._start = (0, 0)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of this rank, from where the run stands."""
        trainer = self.trainer
        assert trainer is not None
        own = self.batch_size // trainer.world_size
        require_shared_memory(own * _picture_bytes(self.dataset), workers=self.workers)
        sampler = EpochSampler(
            count=len(self.dataset),
            batch_size=self.batch_size,
            seed=self.seed,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            start=self._start,
            mosaic=self.mosaic,
        )
        return DataLoader(
            self.dataset,
            batch_size=own,
            sampler=sampler,
            collate_fn=_collation(self.dataset),
            num_workers=self.workers,
            worker_init_fn=worker_init,
            persistent_workers=self.workers > 0,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands: epoch, and batches of it that are done."""
        assert self.trainer is not None
        loop: Any = self.trainer.fit_loop
        return {
            "epoch": loop.epoch_progress.current.processed,
            "batches": loop.epoch_loop.batch_progress.current.processed,
            "per_epoch": self.trainer.num_training_batches,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Start at that place. A finished epoch has been counted in ``epoch`` already."""
        whole = state_dict["batches"] >= state_dict["per_epoch"]
        self._start = (int(state_dict["epoch"]), 0 if whole else int(state_dict["batches"]))


def _picture_bytes(dataset: DetectionDataset | FeatureStore) -> int:
    if isinstance(dataset, FeatureStore):
        return dataset.picture_bytes
    height, width = dataset.input_hw
    return 3 * height * width


def _collation(dataset: DetectionDataset | FeatureStore) -> Callable[[Any], Any]:
    return collate if isinstance(dataset, DetectionDataset) else _as_it_is


def _as_it_is(batch: FeatureBatch) -> FeatureBatch:
    """Maps are read batch by batch: nothing is left to be put together."""
    return batch
