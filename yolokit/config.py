"""The configuration of a run: pydantic models, a strict YAML loader, overrides.

Every key is documented in ``configs/reference.yaml``. An unknown key is an error that names the
nearest known one. Read only by the builders, the engine and the command line.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from yolokit.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneConfig(_Section):
    """The feature extractor: which classifier, whose weights, how much of it is trained."""

    name: str = "mobilenet_v2"
    weights: str = "imagenet"
    trainable_stages: int | Literal["all"] = "all"
    freeze_batch_norm: bool = False
    unfreeze_epoch: int | None = Field(default=None, ge=1)
    lr_factor: float = Field(default=0.1, ge=0)

    @field_validator("trainable_stages")
    @classmethod
    def _non_negative(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("must be 0 (frozen), a number of top stages, or 'all'")
        return value


class ModelConfig(_Section):
    """The detector: backbone, head and the grid it predicts on."""

    head: Literal["yolov1"] = "yolov1"
    backbone: BackboneConfig = BackboneConfig()
    grid_size: int = Field(default=7, ge=1, le=64)
    boxes_per_cell: int = Field(default=2, ge=1, le=16)
    head_variant: Literal["conv", "fc"] = "conv"
    head_channels: int = Field(default=512, ge=8)
    head_dropout: float = Field(default=0.0, ge=0, lt=1)


class LossConfig(_Section):
    """Weights of the loss terms (YOLOv1, section 2.2)."""

    coord: float = Field(default=5.0, ge=0)
    noobj: float = Field(default=0.5, ge=0)
    obj: float = Field(default=1.0, ge=0)
    classes: float = Field(default=1.0, ge=0)


class SplitConfig(_Section):
    """One split: the folder its pictures lie in and its COCO annotation file."""

    images: Path
    annotations: Path


class DataConfig(_Section):
    """The data: up to three splits, the input size and how pictures are kept."""

    train: SplitConfig | None = None
    val: SplitConfig | None = None
    test: SplitConfig | None = None
    image_size: int | tuple[int, int] = 448
    cache: Literal["none", "ram", "disk"] = "none"
    max_bad_boxes: float = Field(default=0.05, ge=0, le=1)

    @property
    def image_hw(self) -> tuple[int, int]:
        """The network input's (height, width) in pixels."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @field_validator("image_size")
    @classmethod
    def _at_least_32(cls, value: int | tuple[int, int]) -> int | tuple[int, int]:
        if min(value if isinstance(value, tuple) else (value,)) < 32:
            raise ValueError("must be at least 32 px")
        return value


class AugmentConfig(_Section):
    """Train-time changes of a picture and its boxes; probabilities are 0..1, 0 turns one off."""

    mosaic: float = Field(default=0.0, ge=0, le=1)
    close_mosaic: float = Field(default=0.1, ge=0, le=1)
    hflip: float = Field(default=0.5, ge=0, le=1)
    vflip: float = Field(default=0.0, ge=0, le=1)
    scale: float = Field(default=0.3, ge=0, lt=1)
    translate: float = Field(default=0.1, ge=0, lt=1)
    rotate: float = Field(default=0.0, ge=0, le=180)
    crop: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.015, ge=0, le=0.5)
    saturation: float = Field(default=0.5, ge=0, le=1)
    value: float = Field(default=0.4, ge=0, le=1)
    blur: float = Field(default=0.02, ge=0, le=1)
    noise: float = Field(default=0.02, ge=0, le=1)
    min_visibility: float = Field(default=0.2, ge=0, le=1)


class TrainConfig(_Section):
    """How long and how the detector is trained."""

    epochs: int = Field(default=100, ge=1)
    time_budget: float | None = Field(default=None, description="seconds; '15m' and '2h' too")
    batch_size: int | Literal["auto"] = "auto"
    eval_batch_size: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float | Literal["auto"] = "auto"
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    final_lr_factor: float = Field(default=0.01, ge=0, le=1)
    gradient_clip: float | None = Field(default=10.0, gt=0)
    precision: Literal["auto", "32", "16", "bf16"] = "auto"
    ema: bool = True
    ema_decay: float | Literal["auto"] = "auto"
    early_stopping: int | None = Field(default=None, ge=1)
    validate_every: int | Literal["auto"] = "auto"
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    seed: int = Field(default=0, ge=0)
    workers: int | Literal["auto"] = "auto"
    tensorboard: bool = False

    @field_validator("time_budget", mode="before")
    @classmethod
    def _duration(cls, value: Any) -> float | None:
        return None if value is None else parse_duration(value)

    @field_validator("workers")
    @classmethod
    def _workers(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("must be 0 (load in the training process), a number, or auto")
        return value

    @field_validator("precision", mode="before")
    @classmethod
    def _precision_name(cls, value: Any) -> Any:
        return str(value)  # YAML reads a bare 32 as a number


class PredictConfig(_Section):
    """How grid outputs become detections."""

    iou_threshold: float = Field(default=0.65, ge=0, le=1)
    eval_score_threshold: float = Field(default=0.001, ge=0, le=1)
    max_detections: int = Field(default=100, ge=1)


class Config(_Section):
    """A whole run."""

    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    predict: PredictConfig = PredictConfig()


def parse_duration(value: str | int | float) -> float:
    """Seconds from ``90``, ``"90s"``, ``"15m"``, ``"1.5h"`` or ``"1h30m"``.

    Raises:
        ValueError: not a duration, or not above zero.
    """
    if isinstance(value, bool):
        raise ValueError("expected a duration such as 90s, 15m or 2h, got a truth value")
    if isinstance(value, int | float):
        seconds = float(value)
    else:
        number = r"(\d+(?:\.\d+)?)"
        match = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", value.strip())
        if not match or not value.strip():
            raise ValueError(f"expected a duration such as 90s, 15m or 2h, got {value!r}")
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        seconds = 3600 * hours + 60 * minutes + rest
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"a duration must be above zero, got {value!r}")
    return seconds


def find_config(name: str) -> Path:
    """The path of a config: a file, or the bare name of one that yolokit ships.

    Raises:
        ConfigError: neither exists; the message lists the shipped names.
    """
    path = Path(name)
    if path.is_file():
        return path
    package = Path(__file__).parent
    folders = [package / "configs", package.parent / "configs"]  # wheel, source checkout
    for folder in folders:
        shipped = folder / f"{name.removesuffix('.yaml')}.yaml"
        if path.name == name and shipped.is_file():
            return shipped
    names = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise ConfigError(f"no config {name!r}. Give a YAML file or one of: {', '.join(names)}")


def load_config(path: Path, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML config and apply ``key.path=value`` overrides, strictly.

    Paths under ``data`` are taken relative to the config file, those in overrides to the
    working directory.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type, malformed override.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise ConfigError(f"cannot read config {path}: {reason}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config {path} must be a mapping of sections, got {type(tree).__name__}")
    _anchor_data_paths(tree, path.parent)
    for override in overrides:
        _apply_override(tree, override)
    return validate_config(tree, str(path))


def validate_config(tree: Mapping[str, Any], where: str) -> Config:
    """A ``Config`` from plain values; every problem in one line.

    Raises:
        ConfigError: naming the key, what was expected, and the nearest known key.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise ConfigError(f"{where}: {problems}") from error


def dump_config(config: Config) -> str:
    """The resolved config as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _anchor_data_paths(tree: dict[str, Any], folder: Path) -> None:
    data = tree.get("data")
    for split in data.values() if isinstance(data, dict) else ():
        for key in ("images", "annotations") if isinstance(split, dict) else ():
            if isinstance(split.get(key), str):
                split[key] = str(folder / split[key])


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} is not key.path=value, e.g. train.epochs=50")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not valid YAML") from error
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override {override!r}: {parent} is a value, not a section")
        node = child
    node[leaf] = _number_or(value)


def _number_or(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 (no dot) as text; take it as the number the user meant."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value


def _explain(problem: Any) -> str:
    keys = [str(part) for part in problem["loc"]]
    key = ".".join(part for part in keys if not _is_union_branch(part))
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].removeprefix('Value error, ')} (got {problem['input']!r})"
    nearest = difflib.get_close_matches(key, _known_keys(Config), n=1, cutoff=0.0)
    return f"unknown key {key}, did you mean {nearest[0]}?"


def _is_union_branch(part: str) -> bool:
    return part in {"int", "float", "str", "constrained-int"} or part.startswith(
        ("literal[", "tuple[")
    )


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    known = []
    for name, field in section.model_fields.items():
        known.append(prefix + name)
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                known += _known_keys(kind, f"{prefix}{name}.")
    return known
