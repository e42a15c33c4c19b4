"""What a path to a model file says before its weights are read. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from yolokit.errors import WeightsError
from yolokit.models.card import CARD_KEY, ModelCard, read_card
from yolokit.models.export_record import exported_file
from yolokit.models.hub_files import local_model
from yolokit.models.torchvision_name import torchvision_name

MODEL_NAME = "model.safetensors"


def model_file(path: str | Path) -> Path:
    """The model file that is meant: itself, the one in a run folder, or the hub's in its cache.

    Raises:
        WeightsError: an exported model or torchvision's, which cannot be trained on.
    """
    path = local_model(path)
    require_trainable(path)
    return path / MODEL_NAME if path.is_dir() else path


def require_trainable(path: Path) -> None:
    """Refuse an exported model, and torchvision's own, where weights to go on from are wanted.

    Raises:
        WeightsError: it is one.
    """
    if torchvision_name(path) is not None:
        raise WeightsError(
            f"{path} is torchvision's own detector, from which no model here goes on. Its backbone "
            "can be trained on: -o model.backbone.weights=coco"
        )
    if (exported := exported_file(path)) is not None:
        raise WeightsError(
            f"{path} is an exported model ({exported[0]}), which holds no weights to go on from. "
            f"Give the {MODEL_NAME} it was made from"
        )


def card_of(path: Path) -> ModelCard:
    """The card of a model file, or of the one inside a run folder.

    Raises:
        WeightsError: missing, of another kind, truncated, or not written by yolokit.
    """
    from safetensors import SafetensorError, safe_open

    path = model_file(path)
    _check_kind(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(CARD_KEY)
    except (SafetensorError, OSError) as error:
        raise damaged(path, error) from error
    if text is None:
        raise WeightsError(
            f"{path} was not written by yolokit. Give the {MODEL_NAME} of a run; backbone weights "
            "go to model.backbone.weights"
        )
    return read_card(text, str(path))


def damaged(path: Path, error: Exception) -> WeightsError:
    """The error of a model file that cannot be read."""
    return WeightsError(
        f"cannot read model {path}: {error}. The file is damaged; copy or train it again"
    )


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"no model file {path}. Give the {MODEL_NAME} of a run")
    if path.suffix in {".ckpt", ".pt", ".pth"}:
        raise WeightsError(
            f"{path} is no yolokit model but a training state or bare weights. "
            f"Give the run's {MODEL_NAME}"
        )
