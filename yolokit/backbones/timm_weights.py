"""timm's published weights: out of its caches, or downloaded where somebody answers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from yolokit.backbones.weight_files import read_state_dict, require_answer
from yolokit.errors import WeightsError

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in the order in which timm looks


def read_timm_imagenet(timm: ModuleType, name: str) -> dict[str, Tensor]:
    """timm's default weights of a model.

    Args:
        timm: the package.
        name: of the model, without a prefix.

    Raises:
        WeightsError: there are none, or they are not cached and cannot be downloaded.
    """
    preset = timm.get_pretrained_cfg(name)
    try:
        if preset is not None and preset.hf_hub_id:
            return _from_hub(timm, preset)
        if preset is not None and preset.url:
            return _from_address(preset.url)
    except WeightsError:
        raise
    except Exception as error:  # the hub's client raises its own kinds, by version
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise WeightsError(
            f"timm's pretrained weights of {name} cannot be had: {reason}. Run once with a "
            "network, or give a file: -o model.backbone.weights=FILE"
        ) from error
    raise WeightsError(f"there are no pretrained weights of timm's {name}. Use none or a file")


def _from_hub(timm: ModuleType, preset: Any) -> dict[str, Tensor]:
    """From the cache without a request: the hub's client asks, and asks again, for the newest."""
    import huggingface_hub as hub

    repository, _, revision = preset.hf_hub_id.partition("@")
    names = [preset.hf_hub_filename] if preset.hf_hub_filename else _HUB_FILES
    for name in names:
        path = hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(path, str):
            return read_state_dict(Path(path))
    require_answer(hub.hf_hub_url(repository, names[0], revision=revision or None))
    chosen = names[:1] if preset.hf_hub_filename else ()
    state: dict[str, Tensor] = timm.models.load_state_dict_from_hf(preset.hf_hub_id, *chosen)
    return state


def _from_address(url: str) -> dict[str, Tensor]:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not (folder / url.rsplit("/", 1)[-1]).exists():
        require_answer(url)
    state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
        url, map_location="cpu", progress=False, weights_only=True
    )
    return state
