"""Training and scoring from Python: what ``yolokit train`` and ``yolokit eval`` do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from yolokit.config import Config
from yolokit.config_file import find_config, load_config
from yolokit.data.locate import choose_split, locate_splits
from yolokit.engine.isolation import isolated
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.training import fit
from yolokit.errors import ConfigError
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.evaluate import evaluate_split
from yolokit.inference.predictor import Predictor
from yolokit.report.write import leave_report
from yolokit.sections import DataConfig, SplitConfig
from yolokit.signals import SignalWatch


def train(
    config: Config | str | Path,
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    run: str | Path | None = None,
    device: str = "auto",
) -> Path:
    """Train a detector.

    Args:
        config: a YAML file, the name of a shipped config, or a ``Config``.
        data: a data folder or data.yaml, in place of the config's ``data`` splits.
        overrides: ``key.path=value`` settings, applied last; not with a ``Config``.
        run: folder of the run; by default ``runs/NAME``, numbered where that is taken.
        device: auto, cpu, cuda, mps, or GPU numbers such as ``0,1``.

    Returns:
        The run folder; the trained detector is its ``model.safetensors``.

    Raises:
        YolokitError: anything a user can put right, in one line.
        StoppedBySignal: on Ctrl-C or SIGTERM, after saving; where Python lets ``train`` listen to
            signals, which is in a program's main thread.
    """
    if isinstance(config, Config):
        name, settings = "run", config
    else:
        path = find_config(str(config))
        name, settings = path.stem, load_config(path, overrides)
    folder = RunFolder.unused(name) if run is None else RunFolder(Path(run))
    _fit_and_report(_with_data(settings, data), folder, device=device, resume=False)
    return folder.path


def resume_training(run: str | Path, *, device: str = "auto") -> Path:
    """Continue an interrupted run from its last checkpoint, to the same end.

    A run that was stopped before its first checkpoint starts again from the beginning.

    Args:
        run: the run folder.
        device: as in ``train``.

    Raises:
        ConfigError: no run there.
    """
    folder = RunFolder(Path(run))
    folder.require()
    _fit_and_report(load_config(folder.config), folder, device=device, resume=True)
    return folder.path


def _fit_and_report(config: Config, folder: RunFolder, *, device: str, resume: bool) -> None:
    message = "stopped before the first batch; nothing was trained"
    if resume:
        message = f"stopped. Continue with --resume {folder.path}"
    with isolated(), SignalWatch(message) as signals:
        finished = fit(config, folder, device=device, resume=resume, signals=signals)
        if finished is not None:
            leave_report(folder, finished, signals)


def _with_data(config: Config, data: str | Path | None) -> Config:
    """The config with absolute data paths, those of ``data`` where it is given."""
    splits: dict[str, SplitConfig | None] = {"train": None, "val": None, "test": None}
    if data is not None:
        splits.update(locate_splits(data))
    else:
        splits.update({name: getattr(config.data, name) for name in splits})
    if splits["train"] is None:
        where = f"{data} has no train split" if data is not None else "the config names no data"
        raise ConfigError(f"{where}. Give --data with a folder that holds training data")
    absolute = {name: split and _absolute(split) for name, split in splits.items()}
    data_config: DataConfig = config.data.model_copy(update=absolute)
    return config.model_copy(update={"data": data_config})


def _absolute(split: SplitConfig) -> SplitConfig:
    return SplitConfig(images=split.images.absolute(), annotations=split.annotations.absolute())


def evaluate(
    model: Predictor | str | Path,
    *,
    data: str | Path,
    split: str = "val",
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
) -> CocoMetrics:
    """Score a trained detector on labelled pictures, as ``yolokit eval`` does.

    Args:
        model: a loaded model, or its file or run folder.
        data: a data folder or data.yaml.
        split: "train", "val" or "test".
        batch_size: pictures a step.
        workers: decoding threads; None for what suits the device.
        device: where a model file is loaded to; a loaded model stays where it is.

    Raises:
        YolokitError: no such model, data or split.
    """
    predictor = model if isinstance(model, Predictor) else Predictor.load(model, device=device)
    with isolated():
        metrics, _ = evaluate_split(
            predictor,
            choose_split(data, split),
            batch_size=batch_size,
            workers=workers,
        )
    return metrics
