"""What a model file says about itself, checked before anything is built. Needs no torch.

A card may come from a stranger: every number that decides how much is allocated has a bound here,
and a name that is printed holds nothing that a terminal obeys.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from yolokit._version import __version__
from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.heads.old_spellings import nest_head
from yolokit.models.export_record import ExportRecord
from yolokit.plain_text import is_control, tamed
from yolokit.sections import LARGEST_SIDE, MOST_INPUT_PIXELS, PredictConfig

CARD_KEY = "yolokit"  # in the metadata of every kind of model file
MAX_CLASSES = 25_000  # ImageNet-21k, the largest labelled set, has 21,841
_MAX_NAME = 1000  # characters of a class name
_MAX_TEXT = 10_000_000  # characters of a card; 25,000 classes take a tenth of it
_LONGEST_REASON = 200  # characters of an error that quotes a card
SAME_AP = 0.001  # a tenth of a point: two orders of the same sums differ by as much
TELLING_AP = 0.05  # of a model that finds less, an AP that stays tells nothing
_FROM_FILE: dict[str, bool] = {"from_file": True}

_Id: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Side: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
_Mean: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
_Deviation: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ModelCard(BaseModel):
    """What a model file says about itself.

    Args:
        model: the architecture.
        predict: the thresholds it was scored with.
        class_names: the name of label 0..C-1; control characters become replacement characters.
        category_ids: the data set's category id of label 0..C-1.
        image_hw: the network input's (height, width) in pixels.
        mean: per-channel mean of RGB in 0..1 that the pictures are normalised with.
        std: per-channel standard deviation, likewise; above zero.
        data_fingerprint: hash of the training data, empty where unknown.
        metrics: what it scored when it was saved; ``AP_bf16`` is what it scored computed in
            bfloat16 by a CPU.
        export: of an exported file, how it came about; None in a model file of training's.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[2] = 2  # 1 had a flat model section, see ``nest_head``
    yolokit_version: str = __version__
    model: ModelConfig
    predict: PredictConfig = PredictConfig()
    class_names: list[str] = Field(min_length=1, max_length=MAX_CLASSES)
    category_ids: list[_Id]
    image_hw: tuple[_Side, _Side]
    mean: tuple[_Mean, ...] = Field(min_length=3, max_length=3)
    std: tuple[_Deviation, ...] = Field(min_length=3, max_length=3)
    data_fingerprint: str = ""
    metrics: dict[str, float | None] = {}
    export: ExportRecord | None = None

    @property
    def keeps_ap_in_bf16(self) -> bool:
        """Whether bfloat16 was found to change AP by no more than ``SAME_AP``."""
        whole, half = self.metrics.get("AP"), self.metrics.get("AP_bf16")
        if whole is None or half is None or whole < TELLING_AP:
            return False
        return abs(whole - half) <= SAME_AP

    @field_validator("class_names", "yolokit_version")
    @classmethod
    def _printable(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse control characters in a file; those of training data must not cost its model."""
        texts = [value] if isinstance(value, str) else value
        if info.context is _FROM_FILE and any(map(_is_hostile, texts)):
            raise ValueError("control characters, or too long. Give it a name that can be printed")
        return value if isinstance(value, str) else list(map(_tamed, texts))

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if len(self.category_ids) != len(self.class_names):
            raise ValueError(
                f"it names {len(self.class_names)} classes but {len(self.category_ids)} category "
                "ids. Save it again with one id per class"
            )
        if len(set(self.category_ids)) < len(self.category_ids):
            raise ValueError("two classes have one category id. Give each class its own")
        if math.prod(self.image_hw) > MOST_INPUT_PIXELS:
            raise ValueError(f"an input of {self.image_hw[1]}x{self.image_hw[0]} px is too large")
        return self


def read_card(text: str, where: str) -> ModelCard:
    """The card that a file holds as JSON.

    Args:
        text: from a file that anyone may have written.
        where: the file, for errors.

    Raises:
        WeightsError: in one line: no card of this format, out of bounds, or with names that a
            terminal would obey.
    """
    if len(text) > _MAX_TEXT:
        raise WeightsError(f"{where} describes its model in {len(text)} characters: not yolokit's")
    try:
        return ModelCard.model_validate(_upgraded(json.loads(text)), context=_FROM_FILE)
    except (ValidationError, RecursionError) as error:
        raise WeightsError(
            f"{where} describes its model in a way this yolokit {__version__} does not know "
            f"({_reason(error)}). Use the version that wrote it"
        ) from error
    except ValueError as error:  # no JSON, or a number of thousands of digits
        raise WeightsError(
            f"{where} has a damaged description ({error}). Copy or train it again"
        ) from error


def printable(text: str) -> str:
    """The beginning of what a stranger's file made somebody say: one line, nothing that a terminal
    obeys."""
    line = "".join(" " if is_control(c) or c.isspace() else c for c in text[: 4 * _LONGEST_REASON])
    return " ".join(line.split())[:_LONGEST_REASON]


def _upgraded(tree: Any) -> Any:
    """A card as it is written today; what yolokit never wrote is left to the validation."""
    if not (isinstance(tree, dict) and tree.get("format", 1) == 1):
        return tree
    model = tree.get("model")
    return {**tree, "format": 2, "model": nest_head(model) if isinstance(model, dict) else model}


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "nested too deep"
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return printable(f"{where}: {said}" if where else said)


def _is_hostile(text: str) -> bool:
    return text != _tamed(text)


def _tamed(text: str) -> str:
    return tamed(text[:_MAX_NAME])
