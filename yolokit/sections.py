"""The sections of a configuration that know no head; ``config`` puts them together."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Auto: TypeAlias = Literal["auto"]  # to be chosen to suit the set and the time there is
# Every number has a range: what lies outside is a slip of the pen, and is refused when it is read.
Count: TypeAlias = Annotated[int, Field(ge=1, le=10**6)]
_Pictures: TypeAlias = Annotated[int, Field(ge=1, le=2**16)]  # of one step
_Pace: TypeAlias = Annotated[float, Field(gt=0, le=10**6)]  # pictures a second
_Seconds: TypeAlias = Annotated[float, Field(ge=0, le=10**8)]  # up to three years
_Rate: TypeAlias = Annotated[float, Field(ge=0, le=100)]
_RateAbove0: TypeAlias = Annotated[float, Field(gt=0, le=100)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=10**6)]  # of a loss term
_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_ShareBelow1: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
_ShareAbove0: TypeAlias = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """What every section is: its keys are all there are, and its values stay."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """``hflip: on`` would be 1.0, a picture that is always flipped."""
        assert info.field_name is not None
        kind = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            off = "; null turns it off" if type(None) in get_args(kind) and not value else ""
            raise ValueError(f"not true or false, as YAML reads yes, no, on and off{off}")
        return value


class BackboneConfig(Section):
    """The feature extractor: which classifier, whose weights, how much of it is trained."""

    name: str = "mobilenet_v2"
    weights: str = "imagenet"
    trainable_stages: Annotated[int, Field(ge=0, le=1000)] | Literal["all", "auto"] = "auto"
    freeze_batch_norm: bool = False
    unfreeze_epoch: Count | None = None
    lr_factor: _Rate | Auto = "auto"


class ResolvedBackbone(BackboneConfig):
    """A backbone of a run about to start."""

    trainable_stages: Annotated[int, Field(ge=0, le=1000)] | Literal["all"]
    lr_factor: _Rate


_SMALLEST_SIDE, LARGEST_SIDE = 32, 2**14  # px, of the network's input
MOST_INPUT_PIXELS = 2**26  # of the network's input: 0.8 GB once they are numbers


LabelFormat: TypeAlias = Literal["coco", "yolo", "voc"]


class SplitConfig(Section):
    """One split: the folder its pictures lie in and where its labels are.

    ``annotations`` is a COCO file; of another ``format`` the file or folder that describes the
    whole set, whose split named ``part`` is meant.
    """

    images: Path
    annotations: Path
    format: LabelFormat = "coco"
    part: str = ""


class DataConfig(Section):
    """The data: up to three splits, the input size and how pictures are kept."""

    train: SplitConfig | None = None
    val: SplitConfig | None = None
    test: SplitConfig | None = None
    image_size: int | tuple[int, int] = 448
    rectangular: bool | Auto = "auto"
    cache: Literal["none", "ram", "disk", "auto"] = "auto"
    max_bad_boxes: float = Field(default=0.05, ge=0, le=1)

    @property
    def image_hw(self) -> tuple[int, int]:
        """The network input's (height, width) in pixels."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @field_validator("image_size")
    @classmethod
    def _sides(cls, value: int | tuple[int, int]) -> int | tuple[int, int]:
        height, width = value if isinstance(value, tuple) else (value, value)
        if not all(_SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (height, width)):
            raise ValueError(f"must be at least {_SMALLEST_SIDE} px and at most {LARGEST_SIDE} px")
        if height * width > MOST_INPUT_PIXELS:
            most = math.isqrt(MOST_INPUT_PIXELS)
            raise ValueError(f"must have no more pixels than {most}x{most}, got {width}x{height}")
        return value


class ResolvedData(DataConfig):
    """The data of a run about to start."""

    rectangular: bool
    cache: Literal["none", "ram", "disk"]


class AugmentConfig(Section):
    """Train-time changes of a picture and its boxes; probabilities are 0..1, 0 turns one off."""

    mosaic: _Share | Auto = "auto"
    close_mosaic: _Share | Auto = "auto"
    hflip: float = Field(default=0.5, ge=0, le=1)
    vflip: float = Field(default=0.0, ge=0, le=1)
    scale: float = Field(default=0.3, ge=0, lt=1)
    translate: float = Field(default=0.1, ge=0, lt=1)
    rotate: float = Field(default=0.0, ge=0, le=180)
    crop: float = Field(default=0.0, ge=0, le=1)
    multi_scale: _ShareBelow1 | Auto = "auto"
    hue: float = Field(default=0.015, ge=0, le=0.5)
    saturation: float = Field(default=0.5, ge=0, le=1)
    value: float = Field(default=0.4, ge=0, le=1)
    blur: float = Field(default=0.02, ge=0, le=1)
    noise: float = Field(default=0.02, ge=0, le=1)
    min_visibility: float = Field(default=0.2, ge=0, le=1)


class ResolvedAugment(AugmentConfig):
    """The changes of a run about to start; no set, budget or device gave a reason for others."""

    mosaic: _Share = 0.5
    close_mosaic: _Share = 0.1
    multi_scale: _ShareBelow1 = 0.0


class TrainConfig(Section):
    """How long and how the detector is trained."""

    epochs: Count = 100
    time_budget: _Seconds | None = Field(default=None, description="'15m' and '2h' too")
    recipe: Literal["adaptive", "fixed"] = "adaptive"
    pace: _Pace | Auto | None = "auto"
    batch_size: _Pictures | Auto = "auto"
    eval_batch_size: _Pictures = 16
    accumulate: _Pictures = 1
    feature_cache: Annotated[int, Field(ge=0, le=10**4)] = 0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: _RateAbove0 | Auto = "auto"
    weight_decay: _Rate | Auto = "auto"
    start_size: _ShareAbove0 | Auto = "auto"
    warmup: _ShareBelow1 | Auto = "auto"
    final_lr_factor: float = Field(default=0.01, ge=0, le=1)
    gradient_clip: float | None = Field(default=10.0, gt=0, le=10**6)
    precision: Literal["auto", "32", "16", "bf16"] = "auto"
    ema: bool = True
    ema_decay: _Share = 1.0
    early_stopping: Count | None = None
    validate_every: Count | Auto = "auto"
    checkpoint_seconds: _Seconds = 60.0
    seed: int = Field(default=0, ge=0, le=2**64 - 1)
    workers: Annotated[int, Field(ge=0, le=1024)] | Auto = "auto"
    tensorboard: bool = False
    wandb: bool = False
    mlflow: bool = False

    @field_validator("time_budget", mode="before")
    @classmethod
    def _duration(cls, value: Any) -> float | None:
        return None if value is None else parse_duration(value)

    @field_validator("precision", mode="before")
    @classmethod
    def _precision_name(cls, value: Any) -> Any:
        return str(value)  # YAML reads a bare 32 as a number


class ResolvedTrain(TrainConfig):
    """The length and manner of a run about to start."""

    pace: _Pace | None
    batch_size: _Pictures
    lr: _RateAbove0
    weight_decay: _Rate = 0.01
    start_size: _ShareAbove0 = 1.0
    warmup: _ShareBelow1
    precision: Literal["32", "16", "bf16"]
    validate_every: Count
    workers: Annotated[int, Field(ge=0, le=1024)]


class PredictConfig(Section):
    """How grid outputs become detections."""

    iou_threshold: float = Field(default=0.65, ge=0, le=1)
    eval_score_threshold: float = Field(default=0.001, ge=0, le=1)
    max_detections: Count = 100


_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(
    rf"(?:{_NUMBER} ?(?:h|hrs?|hours?))? ?(?:{_NUMBER} ?(?:m|mins?|minutes?))? ?"
    rf"(?:{_NUMBER} ?(?:s|secs?|seconds?))?",
    re.IGNORECASE,
)


def parse_duration(value: Any) -> float:
    """Seconds from ``90``, ``"90s"``, ``"15m"``, ``"20 min"``, ``"1h30m"``; not from ``"1h30"``.

    Raises:
        ValueError: not a duration, or not above zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a duration such as 90s, 15m or 2h, got {value!r}")
    if isinstance(value, int | float):
        seconds = float(value)
    else:
        text = re.sub(rf"^{_NUMBER}$", r"\1s", value.strip())
        match = _DURATION.fullmatch(text)
        if not match or not text:
            raise ValueError(f"expected a duration such as 90s, 15m or 2h, got {value!r}")
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        seconds = 3600 * hours + 60 * minutes + rest
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"a duration must be above zero, got {value!r}")
    return seconds
