"""timm models as trunks (``timm:NAME``); needs the extra ``timm``."""

from __future__ import annotations

import difflib
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from yolokit.backbones.classifier_trunk import (
    PROBE,
    STRIDES,
    Trunk,
    check_input,
    group_stages,
    kinds_of,
    not_a_cnn,
    on_meta,
)
from yolokit.backbones.folding import trace
from yolokit.backbones.timm_weights import read_timm_imagenet
from yolokit.backbones.weight_files import load_matching, read_state_dict
from yolokit.errors import ConfigError
from yolokit.types import LevelSpec

PREFIX = "timm:"


class TimmTrunk(NamedTuple):
    """A trunk, with the mean and std of RGB in 0..1 that its weights expect."""

    trunk: Trunk
    mean: tuple[float, ...]
    std: tuple[float, ...]


def build_timm_trunk(name: str, *, weights: str, image_hw: tuple[int, int]) -> TimmTrunk:
    """Build timm's ``features_only`` model.

    Args:
        name: ``timm:NAME``.
        weights: ``imagenet`` (timm's default for the name), ``none``, or a file.
        image_hw: (height, width) in pixels that it must be able to see.

    Raises:
        ConfigError: timm is not installed, the name is unknown, or it is no CNN.
        WeightsError: weights that are absent or do not fit.
    """
    timm = _import_timm()
    short = name.removeprefix(PREFIX)
    _check_name(timm, short)
    levels, indices = _levels(timm, short)
    features = partial(timm.create_model, short, features_only=True, out_indices=indices)
    model: nn.Module = _with_weights(timm, features, short, weights)
    stages = group_stages(model, _blocks(model, levels, name))
    check_input(model, name, image_hw)
    preset: Any = model.pretrained_cfg
    # A graph can be split where its frozen part ends; the few that have none are run whole.
    trunk = Trunk(
        module=trace(model) or model,
        levels=levels,
        stages=stages,
        optional=frozenset(),
        kinds=kinds_of(model),
    )
    return TimmTrunk(trunk, tuple(preset["mean"]), tuple(preset["std"]))


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            "timm is not installed, which timm:NAME backbones need. pip install timm"
        ) from error
    module: ModuleType = timm
    return module


def _check_name(timm: ModuleType, name: str) -> None:
    if timm.is_model(name):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.3)
    raise ConfigError(
        f"timm has no model {name!r}, nearest: {', '.join(near) or 'resnet18'}. Give timm:NAME"
    )


def _levels(timm: ModuleType, name: str) -> tuple[list[LevelSpec], tuple[int, ...]]:
    try:
        info = timm.create_model(name, pretrained=False, features_only=True).feature_info
    except (AttributeError, RuntimeError, ValueError) as error:
        raise not_a_cnn(PREFIX + name, "") from error
    pairs = list(zip(info.channels(), info.reduction(), strict=True))
    strides = [stride for _, stride in pairs]
    kept = [i for i, (_, stride) in enumerate(pairs) if stride in STRIDES]
    if not kept or len(set(strides)) != len(strides):
        raise not_a_cnn(PREFIX + name, " at several resolutions")
    out_indices = tuple(info.out_indices[i] for i in kept)
    return [LevelSpec(*pairs[i]) for i in kept], out_indices


def _with_weights(timm: ModuleType, features: Any, name: str, weights: str) -> nn.Module:
    model: nn.Module = features(pretrained=False)
    if weights == "none":
        return model
    if weights == "imagenet":
        state = read_timm_imagenet(timm, name)
    else:
        state = _checked_state(timm, name, weights)
    # timm warns of what it has no use for: layers above the deepest level.
    names = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
    if names <= state.keys():
        state = {key: state[key] for key in model.state_dict() if key in state}
    model = features(pretrained=True, pretrained_cfg_overlay={"state_dict": state})
    preset: Any = model.pretrained_cfg
    del preset["state_dict"]  # a second copy of the weights
    return model


def _checked_state(timm: ModuleType, name: str, weights: str) -> dict[str, Tensor]:
    """A file's state dict that fits the whole classifier; its last layer may be absent."""
    classifier = timm.create_model(name, pretrained=False)
    last = classifier.pretrained_cfg.get("classifier") or "fc"
    names = [last] if isinstance(last, str) else list(last)
    state = read_state_dict(Path(weights).expanduser())
    optional = {n.split(".")[0] for n in names}
    load_matching(classifier, state, optional=optional, where=f"weights {weights}")
    return {k: v for k, v in state.items() if k.split(".")[0] not in optional}


def _blocks(model: nn.Module, levels: list[LevelSpec], name: str) -> list[tuple[str, int]]:
    """Module paths of the blocks in order, each with the stride its output has."""
    ghost = on_meta(model).eval()
    strides: dict[str, int] = {}

    def note(path: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            strides[path] = PROBE // output.shape[2]

    paths = []
    for top, child in ghost.named_children():
        parts = child.named_children() if isinstance(child, nn.Sequential) else [("", child)]
        for part, module in parts:
            paths.append(f"{top}.{part}".rstrip("."))
            module.register_forward_hook(partial(note, paths[-1]))
    try:
        maps = ghost(torch.empty(1, 3, PROBE, PROBE, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise not_a_cnn(name, " (it sees one image size only)") from error
    if [m.shape[1] for m in maps] != [level.channels for level in levels]:
        raise not_a_cnn(name, " (its maps are [B, H, W, C])")
    return [(path, strides.get(path, 1)) for path in paths]
