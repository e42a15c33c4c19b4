"""Backbones: any torchvision classifier (or timm model) as a source of feature maps.

Shape legend: B images, H × W input pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from yolokit.backbones.classifier_trunk import ALIASES, VARIANTS, Trunk, cut_classifier
from yolokit.backbones.detector_weights import (
    BackboneWeights,
    fold_epsilon,
    from_detector,
    is_coco,
    no_detector,
    read_coco,
)
from yolokit.backbones.frozen_front import FrozenFront
from yolokit.backbones.timm_trunk import PREFIX, build_timm_trunk
from yolokit.backbones.torchvision_models import get_model_weights
from yolokit.backbones.weight_files import load_matching, read_imagenet, read_state_dict
from yolokit.errors import WeightsError
from yolokit.types import LevelSpec


class Backbone(nn.Module):
    """A feature extractor with declared levels, in stages that can be frozen.

    Args:
        name: what builds this architecture; not what was asked for where weights brought their own.
        trunk: the network, its levels and its stages.
        mean: per-channel mean of RGB in 0..1 that its weights expect.
        std: per-channel standard deviation, likewise.
    """

    def __init__(
        self, name: str, trunk: Trunk, *, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk.module
        self.levels: list[LevelSpec] = trunk.levels
        self.mean = mean
        self.std = std
        self.kinds = trunk.kinds  # of modules in the trunk by path, as the library names them
        self._stage_paths = trunk.stages
        self._frozen_stages = 0
        self._batch_norm_frozen = False
        self._front: FrozenFront | None = None  # made when first needed

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of normalised pictures.

        Args:
            x: [B, 3, H, W] float, normalised by ``mean`` and ``std``.

        Returns:
            One [B, channels, ceil(H / stride), ceil(W / stride)] per level, shallow to deep; a
            network without padding comes out a cell or two short and is resized to that.
        """
        image_hw = (x.shape[2], x.shape[3])
        maps = self._network(x.device.type)(x)
        return [_fit(m, image_hw, lv.stride) for m, lv in zip(maps, self.levels, strict=True)]

    def _network(self, device: str) -> Callable[[Tensor], Sequence[Tensor]]:
        """The trunk; in training on a CPU, with its frozen part apart."""
        trunk = self.trunk
        apart = self.training and self._frozen_stages > 0 and device == "cpu"
        if not (apart and isinstance(trunk, fx.GraphModule)):
            return trunk
        if self._front is None or not self._front.is_current():
            paths = [path for stage in self._stage_paths[: self._frozen_stages] for path in stage]
            self._front = FrozenFront(trunk, paths)
        return self._front

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The blocks that have parameters, grouped by resolution, bottom to top."""
        return [[self.trunk.get_submodule(p) for p in paths] for paths in self._stage_paths]

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        self._front = None
        for block in (b for stage in self.stages[: self._frozen_stages] for b in stage):
            block.eval()
        if self._batch_norm_frozen:
            for norm in self._batch_norms():
                norm.eval()
        return self

    def _batch_norms(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, _BatchNorm)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_front": None}  # of a copy

    def _freeze(self, frozen_stages: int, batch_norm: bool) -> None:
        self._frozen_stages = frozen_stages
        self._batch_norm_frozen = batch_norm
        self.trunk.requires_grad_(frozen_stages == 0)  # also what belongs to no stage
        for index, stage in enumerate(self.stages):
            for block in stage:
                block.requires_grad_(index >= frozen_stages)
        if batch_norm:
            for norm in self._batch_norms():
                norm.requires_grad_(False)
        self.train(self.training)


def build_backbone(name: str, *, weights: str, image_hw: tuple[int, int]) -> Backbone:
    """Build a backbone by name.

    Args:
        name: a torchvision classifier (``regnet`` means ``regnet_y_400mf``), or ``timm:NAME``.
        weights: ``imagenet``; ``coco`` or ``coco:DETECTOR``, torchvision's detector trained on
            COCO; ``none``; or a file holding the state dict of the classifier or such a detector.
        image_hw: the network input's (height, width) in pixels.

    Raises:
        ConfigError: unknown name, or a network without feature maps at that input size.
        WeightsError: weights that are absent or do not fit.
    """
    if name.startswith(PREFIX):
        if is_coco(weights):
            raise no_detector(name)
        trunk, mean, std = build_timm_trunk(name, weights=weights, image_hw=image_hw)
        return Backbone(name, trunk, mean=mean, std=std)
    classifier = ALIASES.get(name, name)
    trunk = cut_classifier(classifier, image_hw)
    preset = get_model_weights(VARIANTS.get(classifier, (classifier,))[0]).DEFAULT.transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    if weights != "none":
        found = _read_weights(classifier, weights)
        if found.name != classifier:
            name, trunk = found.name, cut_classifier(found.name, image_hw)
        load_matching(
            trunk.module, found.state, optional=trunk.optional, where=f"weights {weights}"
        )
        if found.epsilon is not None:
            fold_epsilon(trunk.module, found.epsilon)
        mean, std = found.normalisation or (mean, std)
    return Backbone(name, trunk, mean=mean, std=std)


def _read_weights(name: str, weights: str) -> BackboneWeights:
    if weights == "imagenet":
        if name in VARIANTS:
            raise WeightsError(f"there are no ImageNet weights of {name}. Use coco, none or a file")
        return BackboneWeights(name, read_imagenet(name))
    if is_coco(weights):
        return read_coco(name, weights)
    path = Path(weights).expanduser()
    state = read_state_dict(path)
    return from_detector(name, state, file_name=path.name) or BackboneWeights(name, state)


def freeze_stages(
    backbone: Backbone, trainable_stages: int | Literal["all"], freeze_batch_norm: bool
) -> None:
    """Train only the top stages; may be called again at any time to freeze less or more.

    A frozen stage keeps its weights *and* its batch-norm statistics, whatever ``.train()`` says.

    Args:
        backbone: changed in place.
        trainable_stages: how many stages, counted from the top, are trained; 0 freezes all,
            ``"all"`` or more than there are trains all.
        freeze_batch_norm: keep the batch norms of the trained stages as they are too: statistics,
            scale and shift.
    """
    count = len(backbone.stages)
    trained = count if trainable_stages == "all" else min(trainable_stages, count)
    backbone._freeze(count - trained, freeze_batch_norm)


@contextmanager
def all_frozen(backbone: Backbone) -> Iterator[None]:
    """Have a backbone of which nothing learns run as a training runs it, without any chance in it.

    Its maps are those of a training step: on a CPU the folded front's. What belongs to no stage,
    such as a dropout between two, is in evaluation mode as well.

    Args:
        backbone: whose stages are frozen; its mode is restored afterwards.
    """
    was_training = backbone.training
    backbone.train()
    backbone.trunk.eval()
    try:
        yield
    finally:
        backbone.train(was_training)


def _fit(feature_map: Tensor, image_hw: tuple[int, int], stride: int) -> Tensor:
    size = (math.ceil(image_hw[0] / stride), math.ceil(image_hw[1] / stride))
    if tuple(feature_map.shape[2:]) == size:
        return feature_map
    return F.interpolate(feature_map, size=size, mode="bilinear", align_corners=False)
