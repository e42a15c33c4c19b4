"""Which loggers a configuration asks for, and whether they are installed. Needs no torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, TypeAlias, get_args

from yolokit.errors import ConfigError
from yolokit.sections import TrainConfig

LoggerName: TypeAlias = Literal["tensorboard", "wandb", "mlflow"]
LOGGERS: tuple[LoggerName, ...] = get_args(LoggerName)  # keys of ``train``, and package names


def wanted_loggers(train: TrainConfig) -> list[LoggerName]:
    """The loggers that are switched on."""
    return [name for name in LOGGERS if getattr(train, name)]


def require_loggers(train: TrainConfig) -> None:
    """Look whether what is asked for is installed. Imports none of it.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    for name in wanted_loggers(train):
        if find_spec(name) is None:
            raise ConfigError(
                f"{name} is not installed, which train.{name} needs. pip install {name}"
            )
