"""Random weights of torchvision's detectors that find something in noise, and their own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import get_model, get_model_weights

SSDLITE = "ssdlite320_mobilenet_v3_large"
_SPREAD = 2.0  # of the classes' logits
_LEAST_VARIANCE = 0.01
_CLASS_LAYERS = ("cls_logits", "cls_score")  # or, in SSD, layers of classification_head


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """[H, W, 3] blocks of colour with noise on them."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 200, (height // 16 + 1, width // 16 + 1, 3))
    large = np.kron(blocks, np.ones((16, 16, 1), dtype=np.int64))[:height, :width]
    return (large + rng.integers(0, 56, (height, width, 3))).astype(np.uint8)


def untrained(name: str, **settings: Any) -> nn.Module:
    """torchvision's own detector for COCO, seeded, whose scores differ from box to box."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = get_model(name, weights=None, weights_backbone=None, **settings).eval()
        _stir(model)
    return model


def write_weights(path: Path, model: nn.Module) -> Path:
    """Save a model's state dict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return path


def published_file(name: str) -> str:
    """The name of the file that torchvision would download."""
    return str(get_model_weights(name).DEFAULT.url).rsplit("/", 1)[-1]


def by_torchvision(model: nn.Module, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """What torchvision finds in a picture of COCO's 80 classes, best first.

    Left out are the numbers that stand for no class and boxes without an area, of which random
    weights make many.
    """
    with torch.inference_mode():
        (found,) = model([torch.from_numpy(image).permute(2, 0, 1) / 255])
    known = torch.tensor([name in COCO_NAMES for name in CATEGORIES])[found["labels"]]
    boxes = found["boxes"]
    known &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return {key: found[key][known].numpy() for key in ("boxes", "scores", "labels")}


def scale_to(model: nn.Module, side: int) -> None:
    """Let a detector scale pictures to less than it was made for, so that it is quick."""
    model.transform.min_size, model.transform.max_size = (side,), 2 * side  # type: ignore[assignment]


def in_double(model: nn.Module) -> None:
    """Let a detector compute in 64 bits, where rounding, which random weights magnify, is nothing:
    it differs with the layout of memory and with folded norms."""
    model.double().register_forward_pre_hook(lambda _, args: ([each.double() for each in args[0]],))


CATEGORIES: list[str] = get_model_weights(SSDLITE).DEFAULT.meta["categories"]
COCO_NAMES = [name for name in CATEGORIES if name not in ("__background__", "N/A")]


@torch.no_grad()
def _stir(model: nn.Module) -> None:
    """Statistics of real values in batch norms, none so small that a norm magnifies rounding;
    logits of classes that differ."""
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    pictures = [torch.from_numpy(noise(96, 96, seed)).permute(2, 0, 1) / 255 for seed in range(4)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:  # SSD has none, and its backbone takes no picture as small
        model.backbone(torch.stack(pictures))  # type: ignore[operator]
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()
        norm.running_var.clamp_(min=_LEAST_VARIANCE)
    for name, layer in model.named_modules():
        own = name.rpartition(".")[2] in _CLASS_LAYERS or "classification_head.module" in name
        if own and isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(_spread)
    model(pictures[:1])
    for layer in model.modules():
        layer._forward_hooks.clear()


def _spread(layer: nn.Module, _: object, logits: torch.Tensor) -> torch.Tensor:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    if layer.weight.ndim == 4 and layer.groups > 1:  # SSDLite's depthwise ones
        return logits
    factor = _SPREAD / float(logits.std(correction=0))
    layer.weight.mul_(factor)
    if layer.bias is not None:
        layer.bias.zero_()
    return logits * factor
