"""Backbones taken out of torchvision's own detectors, whose features know objects already.

Such a detector keeps its backbone under names of its own, expects pictures normalised in its own
way and adds its own epsilon to variances. Each is translated here, so that the backbone computes
what it computed inside the detector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from yolokit.backbones.classifier_trunk import REDUCED_TAIL
from yolokit.backbones.torchvision_models import get_model_weights
from yolokit.backbones.weight_files import fetch_weights
from yolokit.errors import WeightsError

COCO = "coco"
# Detectors trained on COCO that hold the backbone; the first is what plain `coco` means.
DETECTORS: dict[str, tuple[str, ...]] = {
    "mobilenet_v3_large": (
        "ssdlite320_mobilenet_v3_large",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
    ),
    REDUCED_TAIL: ("ssdlite320_mobilenet_v3_large",),
    "resnet50": (  # the first has the highest published AP
        "fasterrcnn_resnet50_fpn_v2",
        "retinanet_resnet50_fpn_v2",
        "fcos_resnet50_fpn",
        "fasterrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
    ),
    "vgg16": ("ssd300_vgg16",),
}
_NO_EPSILON = (  # torchvision sets it to 0 for these files: they were trained that way
    "fasterrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
)
_EPSILON = 1e-5  # of nn.BatchNorm2d and FrozenBatchNorm2d
_SSDLITE_EPSILON = 1e-3
_SSDLITE_NORMALISATION = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_SSD_NORMALISATION = (0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)
_REDUCED_CHANNELS = 480  # that the last block of a reduced tail hands over; 960 in a full one
_LAST_BLOCK = "features.16.0.weight"
# What a detector has beside its backbone. Any other name stays, and is found not to fit.
_HEADS = ("head.", "rpn.", "roi_heads.")
_PYRAMID = ("backbone.fpn.",)
_SSDLITE_EXTRAS = ("backbone.extra.",)
_SSD_EXTRAS = (
    "backbone.scale_weight",
    "backbone.extra.0.7.",
    *(f"backbone.extra.{i}." for i in range(1, 6)),
)
_BODY = "backbone.body."
_SSD_SCALE = "backbone.scale_weight"
_SSDLITE_FIRST = "backbone.features.0.0.0.weight"


class BackboneWeights(NamedTuple):
    """A backbone's weights, and what else they decide.

    Args:
        name: the backbone they are for; not the one asked for where the detector has a variant.
        state: in the classifier's names.
        normalisation: mean and std of RGB in 0..1; None: the classifier's own.
        epsilon: added to the variances of batch norm; None: the classifier's own.
    """

    name: str
    state: dict[str, Tensor]
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    epsilon: float | None = None


def is_coco(weights: str) -> bool:
    """Whether ``model.backbone.weights`` asks for a detector: ``coco`` or ``coco:DETECTOR``."""
    return weights == COCO or weights.startswith(f"{COCO}:")


def read_coco(name: str, weights: str) -> BackboneWeights:
    """The backbone of torchvision's detector, from its cache or downloaded into it.

    Args:
        name: of the backbone.
        weights: ``coco``, or ``coco:DETECTOR`` for one of several.

    Raises:
        WeightsError: no such detector, or it is neither cached nor to be downloaded.
    """
    known = DETECTORS.get(name, ())
    detector = weights.partition(":")[2] or next(iter(known), "")
    if not known:
        raise no_detector(name)
    if detector not in known:
        raise WeightsError(
            f"no detector {detector!r} with the backbone {name}. "
            f"Give {COCO}, or {COCO}: and one of {', '.join(known)}"
        )
    entry = get_model_weights(detector).DEFAULT
    state = fetch_weights(entry, f"the COCO weights of {name} (from {detector})")
    found = from_detector(name, state, file_name=_file_name(detector))
    assert found is not None
    return found


def no_detector(name: str) -> WeightsError:
    """The error for a backbone that none of torchvision's detectors has."""
    return WeightsError(
        f"torchvision has no detector trained on COCO with the backbone {name}. "
        f"It has one for {', '.join(DETECTORS)}; use imagenet, none or a file"
    )


def from_detector(
    name: str, state: Mapping[str, Tensor], *, file_name: str
) -> BackboneWeights | None:
    """The backbone inside a torchvision detector's state dict; None if it is no detector's.

    Args:
        name: of the backbone that is wanted.
        state: SSD's, SSDLite's, or that of a detector with a feature pyramid (FCOS, RetinaNet,
            Faster, Mask and Keypoint R-CNN).
        file_name: of the file it was read from: some published files want an epsilon of 0.
    """
    if _SSD_SCALE in state:
        return BackboneWeights(name, _from_ssd(state), _SSD_NORMALISATION)
    if _SSDLITE_FIRST in state:
        renamed = _from_ssdlite(state)
        if name == "mobilenet_v3_large" and _has_reduced_tail(renamed):
            name = REDUCED_TAIL
        return BackboneWeights(name, renamed, _SSDLITE_NORMALISATION, _SSDLITE_EPSILON)
    if any(key.startswith(_BODY) for key in state):
        epsilon = published_epsilon(file_name)
        epsilon = _EPSILON if epsilon is None else epsilon
        return BackboneWeights(name, _from_pyramid(state), epsilon=epsilon)
    return None


def published_epsilon(file_name: str) -> float | None:
    """What torchvision adds to variances where weights come from this published file; None: what
    the network is built with."""
    return 0.0 if file_name in map(_file_name, _NO_EPSILON) else None


@torch.no_grad()
def fold_epsilon(trunk: nn.Module, epsilon: float) -> None:
    """Scale batch norm so that it computes with its own epsilon what it did with another.

    Args:
        trunk: changed in place; its variances are those the weights came with.
        epsilon: the one it was trained with.
    """
    for module in trunk.modules():
        if isinstance(module, _BatchNorm) and module.eps != epsilon:
            assert module.running_var is not None
            theirs = (module.running_var + epsilon).clamp(min=torch.finfo(torch.float32).tiny)
            module.weight.mul_(((module.running_var + module.eps) / theirs).sqrt())


def _file_name(detector: str) -> str:
    return str(get_model_weights(detector).DEFAULT.url).rsplit("/", 1)[-1]


def _has_reduced_tail(state: Mapping[str, Tensor]) -> bool:
    return _LAST_BLOCK in state and state[_LAST_BLOCK].shape[0] == _REDUCED_CHANNELS


def _without(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    beyond = (*_HEADS, *prefixes)
    return {key: value for key, value in state.items() if not key.startswith(beyond)}


def _from_pyramid(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``backbone.body.layer1…`` is ``layer1…``, ``backbone.body.3…`` is ``features.3…``."""
    inside = {key.removeprefix(_BODY): value for key, value in _without(state, _PYRAMID).items()}
    return {f"features.{k}" if k[0].isdigit() else k: value for k, value in inside.items()}


def _from_ssd(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``features`` ends before the fourth pooling, with which ``extra.0`` goes on."""
    inner = _without(state, _SSD_EXTRAS)
    pattern = re.compile(r"backbone\.(features|extra\.0)\.(\d+)\.")
    pooling = _last_index(inner, r"backbone\.features\.(\d+)\.") + 2  # convolution, ReLU, pooling

    def name(found: re.Match[str]) -> str:
        part, index = found[1], int(found[2])
        return f"features.{index if part == 'features' else pooling + index}."

    return {pattern.sub(name, key): value for key, value in inner.items()}


def _from_ssdlite(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``features.0`` ends inside a block, after its expansion; ``features.1`` goes on in it."""
    inner = _without(state, _SSDLITE_EXTRAS)
    pattern = re.compile(r"backbone\.features\.([01])\.(\d+)\.")
    cut = _last_index(inner, r"backbone\.features\.0\.(\d+)\.")

    def name(found: re.Match[str]) -> str:
        part, index = found[1], int(found[2])
        if part == "0":
            return f"features.{index}." if index < cut else f"features.{cut}.block.0."
        return f"features.{cut + index}." if index else f"features.{cut}.block."

    return {pattern.sub(name, key): value for key, value in inner.items()}


def _last_index(keys: Iterable[str], pattern: str) -> int:
    """The largest number that the pattern finds at the start of a key; 0 if it finds none."""
    return max((int(found[1]) for key in keys if (found := re.match(pattern, key))), default=0)
