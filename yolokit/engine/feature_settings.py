"""Which settings a feature cache goes with. No torch: a wrong one is told before data is read."""

from __future__ import annotations

from yolokit.config import Config
from yolokit.errors import ConfigError


def require_cacheable(config: Config) -> None:
    """Check that the backbone's maps of a picture stay as they are, where they are to be kept.

    Raises:
        ConfigError: something in the config would change them, or the pictures' size.
    """
    if not config.train.feature_cache:
        return
    backbone = config.model.backbone
    if backbone.trainable_stages != 0:
        raise _contradiction(
            "what a frozen backbone computes",
            "model.backbone.trainable_stages",
            backbone.trainable_stages,
            "0",
        )
    if backbone.unfreeze_epoch is not None:
        raise _contradiction(
            "what a frozen backbone computes",
            "model.backbone.unfreeze_epoch",
            backbone.unfreeze_epoch,
            "null",
        )
    if config.augment.multi_scale not in ("auto", 0.0):
        raise _contradiction(
            "maps of pictures of one size", "augment.multi_scale", config.augment.multi_scale, "0"
        )
    if config.train.start_size not in ("auto", 1.0):
        raise _contradiction(
            "maps of pictures of one size", "train.start_size", config.train.start_size, "1"
        )


def require_one_process(config: Config, processes: int) -> None:
    """Check that no other process would need the maps.

    Raises:
        ConfigError: there are several.
    """
    if config.train.feature_cache and processes > 1:
        raise ConfigError(
            f"train.feature_cache is for one process, and this training has {processes}. Train on "
            "one device, or set train.feature_cache to 0"
        )


def _contradiction(kept: str, key: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(
        f"train.feature_cache keeps {kept}, but {key} is {value}. Set it to {wanted}, or "
        "train.feature_cache to 0"
    )
