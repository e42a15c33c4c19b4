"""What Lightning trains: detector, criterion, optimizer, learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from yolokit.data.loading import sample_seed
from yolokit.engine.resolution import Resolution, resize_batch
from yolokit.engine.schedule import Progress, lr_factor
from yolokit.errors import ConfigError, YolokitError
from yolokit.models.detector import Detector
from yolokit.types import Batch, FeatureBatch, GridOutput, Truth

# Not a picture's index, nor another stream's: ranks count down from the first.
_STEP_STREAM = -(2**32)  # the seed of a step's dropout
_SIZE_STREAM = -2  # the seed of a step's picture size, the same on every rank


class DivergedError(YolokitError):
    """The loss is no longer a number."""


class DetectionModule(lightning.LightningModule):
    """One training step of a detector, with everything random in it tied to the step's number.

    Args:
        detector: the network.
        criterion: ``(outputs, truths) -> {name: loss term}``.
        progress: how far the run is.
        optimizer: "adamw" or "sgd" (momentum 0.9, Nesterov).
        lr: peak learning rate of neck and head.
        backbone_lr_factor: the backbone's rate relative to ``lr``.
        weight_decay: of weights; norms and biases have none.
        warmup: share of the run over which rates climb.
        final_lr_factor: rate at the end relative to the peak.
        seed: of the run.
        resolution: how large the pictures of a step are.
    """

    def __init__(
        self,
        *,
        detector: Detector,
        criterion: nn.Module,
        progress: Progress,
        optimizer: str,
        lr: float,
        backbone_lr_factor: float,
        weight_decay: float,
        warmup: float,
        final_lr_factor: float,
        seed: int,
        resolution: Resolution,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.detector = detector
        self.criterion = criterion
        self.progress = progress
        self.optimizer_name = optimizer
        self.lr, self.backbone_lr_factor = lr, backbone_lr_factor
        self.weight_decay = weight_decay
        self.warmup, self.final_lr_factor = warmup, final_lr_factor
        self.seed = seed
        self._clipped: list[nn.Parameter] = []  # all; listed once
        self._share = 0.0  # of the run, at the start of the step under way

    def on_train_batch_start(self, batch: Batch | FeatureBatch, batch_idx: int) -> None:
        """Set this step's learning rates and the seed of its dropout."""
        step = self.trainer.fit_loop.total_batch_idx
        self.progress.begin()
        self._share = self.progress.share(step)
        factor = lr_factor(self._share, warmup=self.warmup, final=self.final_lr_factor)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["peak_lr"] * factor
        torch.manual_seed(sample_seed(self.seed, step, _STEP_STREAM - self.global_rank))

    def training_step(self, batch: Batch | FeatureBatch, batch_idx: int) -> dict[str, Tensor]:
        """The loss of a batch and its terms.

        Raises:
            DivergedError: the loss is not finite; weights are still those of the step before.
        """
        if isinstance(batch, FeatureBatch):
            outputs = outputs_of(self.detector, batch)
        else:
            seed = sample_seed(self.seed, self.trainer.fit_loop.total_batch_idx, _SIZE_STREAM)
            batch = resize_batch(batch, self.resolution.factor(self._share, seed))
            outputs = self.detector(batch.images)
        with torch.autocast(self.device.type, enabled=False):
            terms = self.criterion(outputs, batch.truths)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss.item()} at epoch {self.current_epoch}, batch {batch_idx}, "
                f"image ids {batch.image_ids}. Lower train.lr or train.gradient_clip, or check "
                "these pictures"
            )
        self.log("loss", loss.detach(), logger=False)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def transfer_batch_to_device(
        self, batch: Batch | FeatureBatch, device: torch.device, dataloader_idx: int
    ) -> Batch | FeatureBatch:
        """Move pictures or maps, and truths; the rest of a batch is plain Python."""
        truths = [Truth(truth.boxes.to(device), truth.labels.to(device)) for truth in batch.truths]
        if isinstance(batch, FeatureBatch):
            features = [each.to(device, non_blocking=True) for each in batch.features]
            return replace(batch, features=features, truths=truths)
        return replace(batch, images=batch.images.to(device, non_blocking=True), truths=truths)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Four groups: backbone and head, each with and without weight decay."""
        groups = [
            *self._groups(self.detector.backbone, self.lr * self.backbone_lr_factor),
            *self._groups(self.detector.neck, self.lr),
            *self._groups(self.detector.get_submodule("head"), self.lr),
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimizer_name == "sgd":
            return torch.optim.SGD(groups, lr=self.lr, momentum=0.9, nesterov=True)
        # One call for hundreds of small tensors; on GPUs torch does so anyway, and its fused kernel
        # needs to know the scale of 16-bit gradients.
        fused = self.device.type == "cpu" or None
        return torch.optim.AdamW(groups, lr=self.lr, fused=fused)

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm; Lightning's own way refuses a fused optimizer in any mixed precision."""
        if gradient_clip_val is not None:
            self._clipped = self._clipped or list(self.parameters())  # hundreds of modules
            torch.nn.utils.clip_grad_norm_(self._clipped, gradient_clip_val)

    def _groups(self, part: nn.Module, peak_lr: float) -> list[dict[str, Any]]:
        # Frozen parameters are listed too: they have no gradient until they are unfrozen.
        matrices = [p for p in part.parameters() if p.ndim > 1]
        vectors = [p for p in part.parameters() if p.ndim <= 1]
        return [
            {"params": matrices, "peak_lr": peak_lr, "weight_decay": self.weight_decay},
            {"params": vectors, "peak_lr": peak_lr, "weight_decay": 0.0},
        ]

    def on_save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Note the seconds spent and measured, so that a resumed budget goes on where it was."""
        checkpoint["yolokit_progress"] = self.progress.state_dict()  # type: ignore[index]

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take up the seconds spent and measured before.

        Raises:
            ConfigError: the checkpoint is of a version that noted them in another way.
        """
        if "yolokit_progress" not in checkpoint:
            raise ConfigError(
                "last.ckpt was written by an older yolokit and cannot be resumed by this one. "
                "Train anew from the run's config.yaml, with another --run"
            )
        self.progress.load_state_dict(checkpoint["yolokit_progress"])


def outputs_of(detector: Detector, batch: FeatureBatch) -> list[GridOutput]:
    """What a detector makes of kept maps, in the type that its backbone would hand them over in."""
    kind = batch.features[-1].device.type
    mixed = torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if mixed else detector.get_buffer("mean").dtype
    return detector.from_features([each.to(dtype) for each in batch.features], batch.image_hw)
