"""Weights of a pretrained classifier: found, read without unpickling code, and matched strictly."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from yolokit.backbones.torchvision_models import WeightsEnum, get_model_weights
from yolokit.errors import WeightsError

_AUXILIARY_HEADS = ("AuxLogits", "aux1", "aux2")  # inception_v3, googlenet: training only
_WRAPPERS = ("state_dict", "model")
# torchvision's densenet files carry the key names of 2017, e.g. `denselayer1.norm.1.weight`
_DENSENET_KEY = re.compile(
    r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))"
)
_COUNTER = "num_batches_tracked"  # of batch norm; absent from files older than it
_SHOWN_KEYS = 3
_ANSWER_SECONDS = 10.0  # in which a server that is there says something


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, or from a ``.pth`` with ``weights_only=True``.

    A dict wrapped as ``{"state_dict": …}`` or ``{"model": …}`` is unwrapped.

    Raises:
        WeightsError: the file is missing, damaged, or holds anything but named tensors.
    """
    if not path.is_file():
        raise WeightsError(f"no weights file {path}. Give an existing .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise a dozen types for a damaged or foreign file
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise WeightsError(
            f"cannot read weights {path}: {reason[0]}. "
            "Give a plain state dict saved by torch.save, or a .safetensors file"
        ) from error
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise WeightsError(
            f"{path} holds no state dict (names to tensors). Save model.state_dict()"
        )
    return {_DENSENET_KEY.sub(r"\1\2", str(key)): value for key, value in content.items()}


def read_imagenet(name: str) -> dict[str, Tensor]:
    """torchvision's own default ImageNet weights, from its cache or downloaded into it.

    Raises:
        WeightsError: not cached and no network; names the file, its folder and the other way.
    """
    return fetch_weights(get_model_weights(name).DEFAULT, f"the ImageNet weights of {name}")


def fetch_weights(
    weights: WeightsEnum, what: str, *, instead: str = "-o model.backbone.weights=FILE"
) -> dict[str, Tensor]:
    """A published state dict, from torchvision's cache or downloaded into it.

    Args:
        weights: torchvision's entry for the file.
        what: what it is, for the message.
        instead: how a file of the user's is given in its place, for the message.

    Raises:
        WeightsError: not cached and no network; names the file, its folder and the other way.
    """
    file_name = weights.url.rsplit("/", 1)[-1]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        if not (folder / file_name).exists():
            require_answer(weights.url)
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:
        problem = "is damaged" if (folder / file_name).exists() else "is not cached"
        raise WeightsError(
            f"{what} cannot be had: {file_name} {problem} in {folder} and "
            f"could not be downloaded. Put {weights.url} there, or give a file: {instead}"
        ) from error
    return {_DENSENET_KEY.sub(r"\1\2", key): value for key, value in state.items()}


def require_answer(url: str) -> None:
    """Ask an address once: libraries that download try it for a minute, or wait for ever.

    Raises:
        OSError: nobody answers.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        # An opener of its own: the shared one keeps the proxies that there were at its first use.
        urllib.request.build_opener().open(request, timeout=_ANSWER_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer too
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise OSError(f"{request.host} does not answer ({reason})") from error


def load_matching(
    trunk: nn.Module, state: Mapping[str, Tensor], *, optional: Collection[str], where: str
) -> None:
    """Copy ``state`` into ``trunk``; everything but the optional parts must match.

    Args:
        trunk: the feature extractor.
        state: a classifier's state dict.
        optional: prefixes of keys that may be there or not (the classifier).
        where: what the state came from, for the message.

    Raises:
        WeightsError: lists the first missing, unexpected and misshapen keys.
    """
    expected = trunk.state_dict()
    spare = tuple(f"{prefix}." for prefix in (*optional, *_AUXILIARY_HEADS))
    missing = [
        k
        for k in expected
        if k not in state and not k.endswith(_COUNTER) and not k.startswith(spare)
    ]
    unexpected = [k for k in state if k not in expected and not k.startswith(spare)]
    misshapen = [
        f"{k} {list(state[k].shape)} instead of {list(expected[k].shape)}"
        for k in expected
        if k in state and state[k].shape != expected[k].shape and not k.startswith(spare)
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    found = [f"{len(k)} {what} ({_some(k)})" for what, k in problems.items() if k]
    if found:
        raise WeightsError(
            f"{where} does not fit this backbone: {'; '.join(found)}. "
            "Give the weights of the backbone that model.backbone.name says"
        )
    fitting = {k: v for k, v in state.items() if k in expected and v.shape == expected[k].shape}
    trunk.load_state_dict(fitting, strict=False)


def _some(keys: list[str]) -> str:
    rest = len(keys) - _SHOWN_KEYS
    return ", ".join(keys[:_SHOWN_KEYS]) + (f" and {rest} more" if rest > 0 else "")
