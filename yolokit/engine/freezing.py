"""Which stages of the backbone learn, and from when on."""

from __future__ import annotations

from typing import Any, Literal

import lightning

from yolokit.backbones.backbone import freeze_stages
from yolokit.models.detector import Detector


class StageFreezing(lightning.Callback):
    """Keeps the backbone frozen as configured, and unfreezes it when its epoch has come.

    Args:
        trainable_stages: top stages to train, or "all".
        freeze_batch_norm: keep all batch norms of the backbone: statistics, scale and shift.
        unfreeze_epoch: first epoch in which all of it is trained; None for never.
    """

    def __init__(
        self,
        *,
        trainable_stages: int | Literal["all"],
        freeze_batch_norm: bool,
        unfreeze_epoch: int | None,
    ) -> None:
        self.trainable_stages = trainable_stages
        self.freeze_batch_norm = freeze_batch_norm
        self.unfreeze_epoch = unfreeze_epoch
        self._applied: int | Literal["all"] | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Show DDP, which looks next, every parameter that will ever be trained."""
        if self.unfreeze_epoch is not None:
            freeze_stages(pl_module.detector.backbone, "all", self.freeze_batch_norm)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Freeze what is not to be trained from the start."""
        self._apply(0, pl_module.detector)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Unfreeze when its epoch has come, also right after a resume."""
        self._apply(trainer.current_epoch, pl_module.detector)

    def _apply(self, epoch: int, detector: Detector) -> None:
        unfrozen = self.unfreeze_epoch is not None and epoch >= self.unfreeze_epoch
        stages = "all" if unfrozen else self.trainable_stages
        if stages != self._applied:
            freeze_stages(detector.backbone, stages, self.freeze_batch_norm)
            self._applied = stages
