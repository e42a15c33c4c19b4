"""The spelling of torchvision's own detectors where a model is wanted. Needs no torch."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

from yolokit.errors import WeightsError

PREFIX = "torchvision:"
DETECTORS = (  # torchvision's list_models(module=models.detection), known before it is imported
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
NOT_EXPORTED = (
    "torchvision's own detectors are not exported here: torch.onnx.export does it. Train a model "
    "of your own to export"
)
_NEAR = 0.4  # difflib's measure, from which a name may have been meant


class TorchvisionName(NamedTuple):
    """One of ``DETECTORS``, and the file of its weights; None for torchvision's own."""

    detector: str
    file: Path | None


def torchvision_name(path: str | Path) -> TorchvisionName | None:
    """What ``torchvision:NAME`` or ``torchvision:NAME=FILE`` means; None for any other path.

    Raises:
        WeightsError: torchvision has no such detector, or there is no such file.
    """
    text = str(path)
    if not text.startswith(PREFIX):
        return None
    name, equals, file = text.removeprefix(PREFIX).partition("=")
    if name not in DETECTORS:
        near = [each for each in DETECTORS if each.startswith(name)] if name else []
        near = near or difflib.get_close_matches(name, DETECTORS, n=3, cutoff=_NEAR)
        which = f"nearest: {', '.join(near)}" if near else f"it has {', '.join(DETECTORS)}"
        raise WeightsError(f"torchvision has no detector {name!r}, {which}. Give {PREFIX}NAME")
    if not equals:
        return TorchvisionName(name, None)
    weights = Path(file).expanduser()
    if not weights.is_file():
        raise WeightsError(
            f"no weights file {file!r} for {name}. Give an existing .pth or .safetensors file, "
            f"or {PREFIX}{name} for torchvision's own weights"
        )
    return TorchvisionName(name, weights)
