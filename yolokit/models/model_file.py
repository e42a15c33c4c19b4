"""A trained detector as one file: safetensors weights, with all that is needed to use it in JSON.

Reading it never runs code from it, and equal weights give equal bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from yolokit._version import __version__
from yolokit.errors import WeightsError, YolokitError
from yolokit.files import written_atomically
from yolokit.models.build import build_detector
from yolokit.models.card import CARD_KEY, ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_path import MODEL_NAME, card_of, damaged, model_file

_VARIANCE = "running_var"  # the last part of a batch norm's key


def save_model(path: Path, detector: Detector, card: ModelCard) -> None:
    """Write a model file atomically: a reader sees the old file or the new one, whole.

    Args:
        path: where to; its folder is created when missing.
        detector: its weights and batch-norm statistics are written, not changed.
        card: written as JSON; its backbone as what the detector has, the weights file by its name.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    content = safetensors.torch.save(state, {CARD_KEY: _as_built(card, detector).model_dump_json()})
    with written_atomically(path) as temporary:
        temporary.write_bytes(content)


def load_model(path: Path) -> tuple[Detector, ModelCard]:
    """Read a model file, or the one inside a run folder; in evaluation mode, on the CPU.

    Raises:
        WeightsError: missing, of another kind, truncated, or not written by yolokit.
    """
    card, path = card_of(path), model_file(path)
    try:
        state = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise damaged(path, error) from error
    try:
        detector = _build_blank(card, sum(each.numel() for each in state.values()))
    except YolokitError as error:
        raise WeightsError(f"{path} describes a model that cannot be built: {error}") from error
    _require_sound(state, detector, path)
    try:
        detector.load_state_dict(state)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"the weights in {path} do not fit the model it describes: {problem}. "
            f"It was written by yolokit {card.yolokit_version}, this is {__version__}"
        ) from error
    return detector.eval(), card


def _require_sound(state: dict[str, Tensor], detector: Detector, path: Path) -> None:
    """Refuse weights that would load, but into nothing that can be computed with.

    Raises:
        WeightsError: a tensor of another kind of number, NaN or infinity, a negative variance.
    """
    for name, expected in detector.state_dict().items():
        given = state.get(name)
        if given is None:
            continue  # load_state_dict names it
        if given.is_floating_point() != expected.is_floating_point():
            kind = str(given.dtype).removeprefix("torch.")
            raise WeightsError(
                f"the weights in {path} hold {kind} numbers where {expected.dtype} belong: {name}. "
                f"Give the {MODEL_NAME} that training wrote"
            )
        if not given.is_floating_point():
            continue
        values = given.float().numpy()  # whose threads need not meet for every small tensor
        if not np.isfinite(values).all():
            what = "NaN" if np.isnan(values).any() else "infinity"
        elif name.endswith(_VARIANCE) and (values < 0).any():
            what = "a negative variance"
        else:
            continue
        raise WeightsError(
            f"the weights in {path} hold {what}: {name}. The training that wrote them failed; "
            "use another model or train it again with a lower train.lr"
        )


def _build_blank(card: ModelCard, given: int) -> Detector:
    """The detector of a card; its head asks for no more numbers than the file gives."""
    blank = card.model.model_copy(
        update={"backbone": card.model.backbone.model_copy(update={"weights": "none"})}
    )
    with torch.random.fork_rng(devices=[]):  # loading must not disturb anybody's random numbers
        detector = build_detector(
            blank,
            num_classes=len(card.class_names),
            image_hw=card.image_hw,
            most_numbers=given,
        )
    detector.normalise_by(card.mean, card.std)  # the weights', which may not be the classifier's
    return detector


def _as_built(card: ModelCard, detector: Detector) -> ModelCard:
    """The card with what builds the backbone that weights brought, and no folder of the user's."""
    backbone = card.model.backbone
    update = {"name": detector.backbone.name, "weights": Path(backbone.weights).name}
    backbone = backbone.model_copy(update=update)
    return card.model_copy(update={"model": card.model.model_copy(update={"backbone": backbone})})
