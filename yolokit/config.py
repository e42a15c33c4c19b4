"""The configuration of a run, as pydantic models; ``config_file`` reads and writes it.

Every key is documented in ``configs/reference.yaml``. Read only by the builders, the engine and
the command line. It knows every head's section but imports no torch.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializeAsAny, field_validator

from yolokit.heads.family import HeadConfig, read_head
from yolokit.sections import (
    AugmentConfig,
    BackboneConfig,
    DataConfig,
    PredictConfig,
    ResolvedAugment,
    ResolvedBackbone,
    ResolvedData,
    ResolvedTrain,
    Section,
    TrainConfig,
)


class ModelConfig(Section):
    """The detector: its head with this head's own settings, and its backbone."""

    head: SerializeAsAny[HeadConfig] = Field(default_factory=lambda: read_head({}))
    backbone: BackboneConfig = BackboneConfig()

    @field_validator("head", mode="before")
    @classmethod
    def _of_its_type(cls, value: Any) -> HeadConfig:
        return read_head(value)


class Config(Section):
    """A whole run."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    predict: PredictConfig = PredictConfig()

    @field_validator("*", mode="before")
    @classmethod
    def _maybe_empty(cls, value: Any) -> Any:
        """A section with nothing under its name, as YAML reads it."""
        return {} if value is None else value


class ResolvedModel(ModelConfig):
    """The detector of a run about to start."""

    backbone: ResolvedBackbone


class ResolvedConfig(Config):
    """A whole run about to start: nothing in it is left to be chosen."""

    model: ResolvedModel
    data: ResolvedData
    augment: ResolvedAugment
    train: ResolvedTrain
