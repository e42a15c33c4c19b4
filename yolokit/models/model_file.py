"""A trained detector as one file: safetensors weights, with all that is needed to use it in JSON.

Reading it never runs code from it, and equal weights give equal bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolokit._version import __version__
from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.files import written_atomically
from yolokit.heads.old_spellings import nest_head
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.sections import PredictConfig

_KEY = "yolokit"
MODEL_NAME = "model.safetensors"


class ModelCard(BaseModel):
    """What a model file says about itself.

    Args:
        model: the architecture.
        predict: the thresholds it was scored with.
        class_names: the name of label 0..C-1.
        category_ids: the data set's category id of label 0..C-1.
        image_hw: the network input's (height, width) in pixels.
        mean: per-channel mean of RGB in 0..1 that the pictures are normalised with.
        std: per-channel standard deviation, likewise.
        data_fingerprint: hash of the training data, empty where unknown.
        metrics: what it scored when it was saved.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[2] = 2  # 1 had a flat model section, see ``nest_head``
    yolokit_version: str = __version__
    model: ModelConfig
    predict: PredictConfig = PredictConfig()
    class_names: list[str] = Field(min_length=1)
    category_ids: list[int]
    image_hw: tuple[int, int]
    mean: tuple[float, ...] = Field(min_length=3, max_length=3)
    std: tuple[float, ...] = Field(min_length=3, max_length=3)
    data_fingerprint: str = ""
    metrics: dict[str, float | None] = {}


def save_model(path: Path, detector: Detector, card: ModelCard) -> None:
    """Write a model file atomically: a reader sees the old file or the new one, whole.

    Args:
        path: where to; its folder is created when missing.
        detector: its weights and batch-norm statistics are written, not changed.
        card: written as JSON; its backbone as what the detector has, the weights file by its name.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    content = safetensors.torch.save(state, {_KEY: _as_built(card, detector).model_dump_json()})
    with written_atomically(path) as temporary:
        temporary.write_bytes(content)


def load_model(path: Path) -> tuple[Detector, ModelCard]:
    """Read a model file, or the one inside a run folder; in evaluation mode, on the CPU.

    Raises:
        WeightsError: missing, of another kind, truncated, or not written by yolokit.
    """
    path = path / MODEL_NAME if path.is_dir() else path
    _check_kind(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
        state = safetensors.torch.load_file(path) if text else {}
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(
            f"cannot read model {path}: {error}. The file is damaged; copy or train it again"
        ) from error
    card = _read_card(text, path)
    detector = _build_blank(card)
    try:
        detector.load_state_dict(state)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"the weights in {path} do not fit the model it describes: {problem}. "
            f"It was written by yolokit {card.yolokit_version}, this is {__version__}"
        ) from error
    return detector.eval(), card


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"no model file {path}. Give the model.safetensors of a run")
    if path.suffix in {".ckpt", ".pt", ".pth"}:
        raise WeightsError(
            f"{path} is no yolokit model but a training state or bare weights. "
            f"Give the run's {MODEL_NAME}"
        )


def _read_card(text: str | None, path: Path) -> ModelCard:
    if text is None:
        raise WeightsError(
            f"{path} was not written by yolokit. Give the {MODEL_NAME} of a run; backbone weights "
            "go to model.backbone.weights"
        )
    try:
        card = ModelCard.model_validate(_upgraded(json.loads(text)))
    except json.JSONDecodeError as error:
        raise WeightsError(
            f"{path} has a damaged description ({error}). Copy or train it again"
        ) from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise WeightsError(
            f"{path} describes its model in a way this yolokit {__version__} does not know "
            f"({where}: {error.errors()[0]['msg']}). Use the version that wrote it"
        ) from error
    if len(card.category_ids) != len(card.class_names):
        raise WeightsError(
            f"{path} names {len(card.class_names)} classes but {len(card.category_ids)} category "
            "ids. Save it again with one id per class"
        )
    return card


def _upgraded(tree: Any) -> Any:
    """A card as it is written today; what yolokit never wrote is left to the validation."""
    if not (isinstance(tree, dict) and tree.get("format", 1) == 1):
        return tree
    model = tree.get("model")
    return {**tree, "format": 2, "model": nest_head(model) if isinstance(model, dict) else model}


def _build_blank(card: ModelCard) -> Detector:
    blank = card.model.model_copy(
        update={"backbone": card.model.backbone.model_copy(update={"weights": "none"})}
    )
    with torch.random.fork_rng(devices=[]):  # loading must not disturb anybody's random numbers
        detector = build_detector(blank, num_classes=len(card.class_names), image_hw=card.image_hw)
    detector.normalise_by(card.mean, card.std)  # the weights', which may not be the classifier's
    return detector


def _as_built(card: ModelCard, detector: Detector) -> ModelCard:
    """The card with what builds the backbone that weights brought, and no folder of the user's."""
    backbone = card.model.backbone
    update = {"name": detector.backbone.name, "weights": Path(backbone.weights).name}
    backbone = backbone.model_copy(update=update)
    return card.model_copy(update={"model": card.model.model_copy(update={"backbone": backbone})})
