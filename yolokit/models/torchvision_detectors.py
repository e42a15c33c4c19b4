"""torchvision's own detectors with their COCO weights: built, loaded, and their classes named.

They are not yolokit's: they scale, normalise and suppress by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from yolokit.backbones.detector_weights import fold_epsilon, published_epsilon
from yolokit.backbones.torchvision_models import get_model, get_model_weights
from yolokit.backbones.weight_files import fetch_weights, read_state_dict
from yolokit.errors import WeightsError
from yolokit.models.torchvision_name import PREFIX, TorchvisionName

# What torchvision's tables hold beside classes: the background, and numbers COCO never gave away.
_NO_CLASS = ("__background__", "no person", "N/A")
# Parts of Mask and Keypoint R-CNN that run after the boxes are found.
_BEYOND_BOXES = ("mask_roi_pool", "keypoint_roi_pool")
_LONGEST_REASON = 200  # characters of an error that quotes torch


class Suppression(Protocol):
    """What of a detector suppresses; its numbers may be changed between pictures."""

    score_thresh: float
    nms_thresh: float
    detections_per_img: int


class _Scaling(Protocol):
    """What of a detector scales pictures."""

    min_size: tuple[int, ...]
    max_size: int
    fixed_size: tuple[int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class TorchvisionDetector:
    """A detector ready to detect, on the CPU.

    Args:
        name: torchvision's.
        network: from a list of [3, H, W] float RGB in 0..1 to a list of boxes [N, 4] in the same
            picture's pixels, labels [N] and scores [N], a dict each; in evaluation mode.
        suppression: the part of it that has the thresholds.
        scaled_to: what it scales a picture to: the shorter side to the first number of pixels,
            but the longer one to the second at most; None where every picture is made square.
        class_names: of what it was trained to find, in the order of their category ids.
        category_ids: COCO's, which are the network's labels.
    """

    name: str
    network: nn.Module
    suppression: Suppression
    scaled_to: tuple[int, int] | None
    class_names: list[str]
    category_ids: list[int]


def load_detector(wanted: TorchvisionName) -> TorchvisionDetector:
    """One of torchvision's detectors with its COCO weights, fetched once, or those of a file.

    Raises:
        WeightsError: weights that are not there, are damaged, or are not this detector's.
    """
    entry = get_model_weights(wanted.detector).DEFAULT
    classes: list[str] = entry.meta["categories"]
    if wanted.file is None:
        what, name = f"the COCO weights of {wanted.detector}", str(entry.url).rsplit("/", 1)[-1]
        state = fetch_weights(entry, what, instead=f"{PREFIX}{wanted.detector}=FILE")
    else:
        what, name, state = str(wanted.file), wanted.file.name, read_state_dict(wanted.file)
    with torch.random.fork_rng(devices=[]):  # loading must not disturb anybody's random numbers
        network = get_model(
            wanted.detector, weights=None, weights_backbone=None, num_classes=len(classes)
        ).eval()
    _load(network, state, what, wanted.detector, len(classes))
    if (epsilon := published_epsilon(name)) is not None:
        fold_epsilon(network, epsilon)
    _leave_out_what_follows_the_boxes(network)
    network.to(memory_format=torch.channels_last)
    known = {number: each for number, each in enumerate(classes) if each not in _NO_CLASS}
    return TorchvisionDetector(
        name=wanted.detector,
        network=network,
        suppression=cast(Suppression, getattr(network, "roi_heads", network)),
        scaled_to=_scaled_to(network),
        class_names=list(known.values()),
        category_ids=list(known),
    )


def _load(
    network: nn.Module, state: Mapping[str, Tensor], what: str, name: str, classes: int
) -> None:
    """Copy all weights into the network.

    Raises:
        WeightsError: it is another detector's file, or one of other classes, or holds no numbers.
    """
    given = _other_classes(network.state_dict(), state, classes)
    if given is not None:
        raise WeightsError(
            f"{what} tells {given} classes apart (background among them), not COCO's {classes}, "
            f"and does not name them. Give weights of {name} for COCO's classes"
        )
    for key, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise WeightsError(f"{what} holds NaN or infinity: {key}. Copy or train it again")
    try:
        network.load_state_dict(dict(state))  # which knows the keys of older files, too
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:_LONGEST_REASON]
        raise WeightsError(
            f"{what} does not fit torchvision's {name}: {problem} … Give that detector's weights"
        ) from error


def _other_classes(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], classes: int
) -> int | None:
    """For how many classes a file is that differs by nothing but their number; else None."""
    shapes = [(expected[key].shape, state[key].shape) for key in expected if key in state]
    counts = {
        theirs[0] * classes / ours[0] if ours[1:] == theirs[1:] and len(ours) else 0.0
        for ours, theirs in shapes
        if ours != theirs
    }
    count = counts.pop() if len(counts) == 1 else 0.0
    return int(count) if count and count == int(count) else None


def _scaled_to(network: nn.Module) -> tuple[int, int] | None:
    scaling = cast(_Scaling, network.transform)
    return None if scaling.fixed_size else (scaling.min_size[-1], scaling.max_size)


def _leave_out_what_follows_the_boxes(network: nn.Module) -> None:
    """Masks and keypoints are not detected here, and cost more than the boxes."""
    for name in _BEYOND_BOXES:
        if hasattr(network, "roi_heads") and hasattr(network.roi_heads, name):
            setattr(network.roi_heads, name, None)
