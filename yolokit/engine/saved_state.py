"""``last.ckpt`` read back: whole, sound, and of the data and settings that are there now."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.errors import ConfigError, DataError, YolokitError

ABOUT = "yolokit"  # the key of what we add to Lightning's state
# What a run may be continued with another value of: how long, where from and how fast.
_MAY_CHANGE = {
    *("data.cache", "model.backbone.weights", "train.epochs", "train.time_budget", "train.pace"),
    *("train.recipe", "train.workers", "train.precision", "train.eval_batch_size"),
    *("train.validate_every", "train.early_stopping", "train.checkpoint_seconds"),
    *("train.tensorboard", "train.wandb", "train.mlflow"),
}
# What keys meant in states that were written before there were any.
_BEFORE_THEY_WERE: dict[str, Any] = {"train.feature_cache": 0}


class ResumeError(YolokitError):
    """A training state that cannot be continued from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What ``last.ckpt`` says of its run.

    Args:
        path: of the file.
        epochs: finished, their rows in metrics.csv included.
        seconds: spent training.
        ended: the run came to its end, by itself.
        class_names: of labels 0..C-1.
        fingerprint: of the training data.
        val_fingerprint: of what the best model is chosen by; empty where there is nothing, None
            in states that do not say.
        backbone: its name as built; weights may have brought it.
        mean, std: per channel of RGB in 0..1, that pictures are normalised with.
        settings: the configuration key by key; None in states that do not say.
    """

    path: Path
    epochs: int
    seconds: float
    ended: bool
    class_names: tuple[str, ...]
    fingerprint: str
    val_fingerprint: str | None
    backbone: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    settings: Mapping[str, Any] | None

    def require_same_settings(self, config: Config) -> None:
        """Check that the run would go on as it began.

        Raises:
            ConfigError: naming the keys that have another value now.
        """
        now = _settings(config)
        if self.settings is None:
            return
        before = {**_BEFORE_THEY_WERE, **self.settings}
        changed = [
            f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
            for key in sorted(now.keys() | before.keys())
            if now.get(key) != before.get(key)
        ]
        if changed:
            raise ConfigError(
                f"the settings of {self.path.parent} have changed since it started: "
                f"{_listed(changed)}. Put them back, or start a new run from this model with "
                f"--from {self.path.parent}"
            )

    def require_same_data(self, train_set: CocoDataset, val_set: CocoDataset | None) -> None:
        """Check that the run would go on with what it began with.

        Raises:
            DataError: other classes, or other pictures or boxes.
        """
        advice = (
            "Put the data back as it was, or start a new run from this model with "
            f"--from {self.path.parent}"
        )
        if tuple(train_set.class_names) != self.class_names:
            raise DataError(
                f"the classes of {train_set.annotations} have changed since this run started: "
                f"{_listed(self.class_names)} became {_listed(train_set.class_names)}. {advice}"
            )
        if train_set.fingerprint != self.fingerprint:
            raise DataError(
                f"the pictures or boxes of {train_set.annotations} have changed since this run "
                f"started. {advice}"
            )
        if self.val_fingerprint not in (None, _fingerprint(val_set)):
            named = f" of {val_set.annotations}" if val_set else ""
            raise DataError(
                f"the pictures or boxes to validate on{named} have changed since this run started, "
                f"and its best AP was measured on the old ones. {advice}"
            )


def about(
    config: Config,
    train_set: CocoDataset,
    val_set: CocoDataset | None,
    backbone: Any,
    ended: bool,
) -> dict[str, Any]:
    """What to write under ``ABOUT`` into a state, for ``read_saved``."""
    return {
        "class_names": list(train_set.class_names),
        "fingerprint": train_set.fingerprint,
        "val_fingerprint": _fingerprint(val_set),
        "backbone": backbone.name,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
        "ended": ended,
        "settings": _settings(config),
    }


def read_saved(path: Path) -> Saved:
    """Read a training state; no code in it is run.

    Raises:
        ResumeError: damaged, of another program, or with numbers that are none.
    """
    try:
        with warnings.catch_warnings():  # torch wonders about old pickles
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
        _require_sound(state)
        said = state[ABOUT]
        return Saved(
            path=path,
            epochs=state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"],
            seconds=float(state["yolokit_progress"]["elapsed"]),
            ended=bool(said["ended"]),
            class_names=tuple(map(str, said["class_names"])),
            fingerprint=str(said["fingerprint"]),
            val_fingerprint=said.get("val_fingerprint"),
            backbone=str(said["backbone"]),
            mean=_three(said["mean"]),
            std=_three(said["std"]),
            settings=_mapping(said.get("settings")),
        )
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    except KeyError as error:
        raise unusable(path, f"it has no {error}") from error
    except Exception as error:  # a hostile or half file fails anywhere in its reader
        raise unusable(path, _reason(error)) from error


def unusable(path: Path, reason: str) -> ResumeError:
    """The error for a state that cannot be continued from."""
    return ResumeError(
        f"{path} is damaged or of another version ({reason}). Delete it to train this run again "
        "from its start, or start a new run from its model with --from"
    )


def all_finite(tensors: Any) -> bool:
    """Whether every number of some tensors is one."""
    return all(bool(torch.isfinite(each).all()) for each in tensors if each.is_floating_point())


def _fingerprint(dataset: CocoDataset | None) -> str:
    return dataset.fingerprint if dataset else ""


def _settings(config: Config) -> dict[str, Any]:
    """Every key that a run keeps to, with its value, as JSON has it."""
    tree = config.model_dump(mode="json", exclude={"data": {"train", "val", "test"}})
    return {key: value for key, value in leaves(tree) if key not in _MAY_CHANGE}


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested sections with its key, as in ``train.lr``."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _mapping(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise ValueError("its settings are none")
    return value


def _require_sound(state: Any) -> None:
    if not isinstance(state, dict):
        raise ValueError("it holds no training state")
    _walk(state["loops"], "loops", lambda leaf: leaf is None or isinstance(leaf, int))
    _walk(state["callbacks"], "callbacks", _is_number)
    _walk(state["yolokit_progress"], "yolokit_progress", _is_number)
    _walk(state["optimizer_states"], "optimizer_states", _is_number)
    for name in ("state_dict", "current_model_state", "averaging_state"):
        if name in state:
            _walk(state[name], name, _is_number)


def _walk(node: Any, where: str, sound: Callable[[Any], bool]) -> None:
    if isinstance(node, dict):
        for name, each in node.items():
            _walk(each, f"{where}.{name}", sound)
    elif isinstance(node, list | tuple):
        for each in node:
            _walk(each, where, sound)
    elif not sound(node):
        raise ValueError(f"a number in {where} is not one")


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, Tensor):
        return all_finite([leaf])
    if isinstance(leaf, str):
        return False
    return not isinstance(leaf, float) or math.isfinite(leaf)


def _three(values: Any) -> tuple[float, ...]:
    if len(values) != 3:
        raise ValueError("mean and std need three numbers")
    return tuple(float(value) for value in values)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text if len(text) <= 100 else f"{text[:100]}…") or type(error).__name__


def _listed(names: Any) -> str:
    text = ", ".join(names)
    return text if len(text) <= 80 else f"{text[:80]}…"
