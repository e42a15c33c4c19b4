"""Training from Python: what ``yolokit train`` does.

torch is imported last: what is wrong with a config, a path or the data is said before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from yolokit.config import Config
from yolokit.config_file import config_from_tree, find_config, load_config
from yolokit.engine.console import Console
from yolokit.engine.feature_settings import require_cacheable
from yolokit.engine.isolation import isolated
from yolokit.engine.logger_packages import require_loggers, wanted_loggers
from yolokit.engine.reading import (
    offer_held_out_part,
    read_sets,
    tell_unread_files,
    with_data,
)
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.spawning import require_main_program
from yolokit.errors import ConfigError
from yolokit.models.hub_name import hub_name
from yolokit.models.model_path import card_of, model_file
from yolokit.signals import SignalWatch

if TYPE_CHECKING:
    from yolokit.engine.saved_state import Saved
    from yolokit.engine.training import Callback


def train(
    config: Config | str | Path | None = None,
    *,
    from_model: str | Path | None = None,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    run: str | Path | None = None,
    device: str = "auto",
    epochs: int | None = None,
    time_budget: str | float | None = None,
    workers: int | None = None,
    seed: int | None = None,
    callbacks: Iterable[Callback] = (),
    quiet: bool = False,
    as_json: bool = False,
) -> Path:
    """Train a detector.

    Args:
        config: a YAML file, the name of a shipped config, or a ``Config``; None, with
            ``from_model`` alone, for that model's own architecture and input size.
        from_model: a trained model, its run folder or ``hf:USER/NAME``, whose weights to begin
            with as far as they fit: backbone, neck, head, the classes' own weights by their names.
        data: a data folder or data.yaml, in place of the config's ``data`` splits.
        overrides: ``key.path=value`` settings of the config; not with a ``Config``.
        run: folder of the run; by default ``runs/NAME``, numbered where that is taken.
        device: auto, cpu, cuda, mps, or GPU numbers such as ``0,1``.
        epochs: passes over the training pictures; this and what follows is applied last.
        time_budget: train this long instead, evaluation included: seconds, or ``15m``, ``2h``.
        workers: loading processes.
        seed: of everything random.
        callbacks: Lightning's, called after our own; ``trainer.callback_metrics`` holds the loss
            and, after an epoch that was validated, ``AP``, ``AP50`` and ``AP75``.
        quiet: say nothing but what is wrong.
        as_json: say nothing but one JSON document at the end.

    Returns:
        The run folder; the trained detector is its ``model.safetensors``.

    Raises:
        YolokitError: anything a user can put right, in one line.
        StoppedBySignal: on Ctrl-C or SIGTERM, after saving; where Python lets ``train`` listen to
            signals, which is in a program's main thread.
    """
    require_main_program()
    shortcuts = train_settings(epochs, time_budget, workers, seed)
    console = Console(quiet=quiet, as_json=as_json)
    source = None if from_model is None else model_file(from_model)
    if source is not None:
        card_of(source)  # refuses what is no model of ours
    if isinstance(config, Config):
        if list(overrides):
            raise ConfigError("overrides change a config file. Change the Config itself instead")
        tree = config.model_dump(mode="json")
        name, settings = "run", config_from_tree(tree, shortcuts, "the Config")
    elif config is None:
        if source is None:
            raise ConfigError("nothing to train. Give a config, or a model to start from")
        name, settings = _name_of(from_model, source), _config_of(source, [*overrides, *shortcuts])
    else:
        path = find_config(str(config))
        name, settings = path.stem, load_config(path, [*overrides, *shortcuts])
    settings = with_data(settings, data)
    if run is not None:
        RunFolder(Path(run)).require_unused()
    offer_held_out_part(settings.data, data, console)
    tell_unread_files(data, console)
    with SignalWatch("stopped before the first batch; nothing was trained") as signals:
        work = _Work(settings, device, signals, console, callbacks)
        _import_engine()
        with RunFolder.new(None if run is None else Path(run), name) as folder:
            work.done_in(folder, source=source)
    return folder.path


def resume_training(
    run: str | Path,
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    device: str = "auto",
    epochs: int | None = None,
    time_budget: str | float | None = None,
    workers: int | None = None,
    callbacks: Iterable[Callback] = (),
    quiet: bool = False,
    as_json: bool = False,
) -> Path:
    """Continue an interrupted run from its last checkpoint, to the same end, or a longer one.

    A run that was stopped before its first checkpoint starts again from the beginning; one that has
    ended is left as it is, unless it is given more epochs or time: then its learning rate is that
    of a run of the new length from here on.

    Args:
        run: the run folder.
        data: where its data lies now; the same data.
        overrides: ``key.path=value`` settings: a larger ``train.epochs`` or
            ``train.time_budget``, or ``train.workers``.
        device: as in ``train``; so are ``epochs`` and ``time_budget``, of the whole run,
            ``workers``, ``callbacks``, ``quiet`` and ``as_json``.

    Raises:
        ConfigError: no run there.
        DataError: the data has changed.
        ResumeError: the checkpoint is damaged.
    """
    shortcuts = train_settings(epochs, time_budget, workers, None)
    console = Console(quiet=quiet, as_json=as_json)
    folder = RunFolder(Path(run))
    folder.require()
    config = load_config(folder.config, [*overrides, *shortcuts])
    moved = config if data is None else with_data(config, data)
    _import_engine()
    with RunFolder.existing(Path(run)) as folder:
        from yolokit.engine.saved_state import read_saved

        saved = read_saved(folder.checkpoint) if folder.checkpoint.exists() else None
        before = load_config(folder.config)
        if saved and not _has_more_to_do(config, before, saved, folder, console):
            folder.forget_features()
            return folder.path
        with SignalWatch(f"stopped. Continue with --resume {folder.path}") as signals:
            _Work(moved, device, signals, console, callbacks).done_in(folder, saved=saved)
    return folder.path


def _import_engine() -> None:
    """Load torch and all that trains with it, before a signal would leave a folder behind."""
    import_module("yolokit.engine.training")
    import_module("yolokit.report.ending")
    import_module("yolokit.report.write")


def _name_of(given: str | Path | None, source: Path) -> str:
    """What a run is called that begins with a model: as its folder, or as on the hub."""
    name = None if given is None else hub_name(given)
    return source.absolute().parent.name if name is None else name.repo.rpartition("/")[2]


def _config_of(model: Path, overrides: Iterable[str]) -> Config:
    """A config that builds a model's own architecture at its input size, all else as usual."""
    card = card_of(model)
    tree = {
        "model": card.model.model_dump(mode="json"),
        "data": {"image_size": list(card.image_hw)},
        "predict": card.predict.model_dump(mode="json"),
    }
    tree["model"]["backbone"]["weights"] = "none"  # the model has them; their file may be gone
    return config_from_tree(tree, overrides, str(model))


def train_settings(
    epochs: int | None,
    time_budget: str | float | None,
    workers: int | None,
    seed: int | None,
) -> list[str]:
    """What the keywords of ``train`` mean as overrides.

    Raises:
        ConfigError: both lengths at once.
    """
    if epochs is not None and time_budget is not None:
        raise ConfigError("give either epochs or a time budget, not both")
    if isinstance(time_budget, int | float):
        time_budget = f"{time_budget}s"
    keys = {"epochs": epochs, "time_budget": time_budget, "workers": workers, "seed": seed}
    given = [f"train.{key}={value}" for key, value in keys.items() if value is not None]
    return [*given, "train.time_budget=null"] if epochs is not None else given


def _has_more_to_do(
    config: Config, before: Config, saved: Saved, folder: RunFolder, console: Console
) -> bool:
    """Whether a saved run goes on.

    Raises:
        ConfigError: it is to end before it is now.
    """
    train = config.train
    longer = (train.epochs, train.time_budget) != (before.train.epochs, before.train.time_budget)
    if saved.ended and not longer:
        console.say(
            f"{folder.path} is done: {saved.epochs} epochs are trained, nothing is left to do. To "
            "train on, give more --epochs or --time-budget"
        )
        return False
    over = (
        train.epochs <= saved.epochs - (not saved.ended)
        if train.time_budget is None
        else train.time_budget <= saved.seconds
    )
    if longer and over:
        raise ConfigError(
            f"{folder.path} has trained {saved.epochs} epochs in {saved.seconds:.0f} s already. "
            "Give more than that: --epochs and --time-budget are those of the whole run"
        )
    return True


class _Work:
    """A training whose data is read and sound.

    Raises:
        DataError: it is not.
        ConfigError: a logger that it asks for is not installed.
    """

    def __init__(
        self,
        config: Config,
        device: str,
        signals: SignalWatch,
        console: Console,
        callbacks: Iterable[Callback],
    ) -> None:
        require_loggers(config.train)
        require_cacheable(config)
        began = time.monotonic()
        self._config, self._device, self._signals = config, device, signals
        self._console, self._callbacks = console, callbacks
        self._sets = read_sets(config)
        self._reading = time.monotonic() - began  # seconds

    def done_in(
        self, folder: RunFolder, *, source: Path | None = None, saved: Saved | None = None
    ) -> None:
        """Train, and leave the run and its report in a folder."""
        from yolokit.engine.bf16_score import leave_bf16_score
        from yolokit.engine.loggers import RunLoggers
        from yolokit.engine.schedule import Clock
        from yolokit.engine.training import fit
        from yolokit.report.ending import Ending
        from yolokit.report.write import leave_report

        clock, console = Clock(), self._console
        clock.started -= self._reading  # part of a run's time; importing is not
        names = wanted_loggers(self._config.train)
        with isolated(), RunLoggers(names, folder, console) as loggers:
            finished = fit(
                self._config,
                folder,
                device=self._device,
                signals=self._signals,
                saved=saved,
                source=source,
                clock=clock,
                console=console,
                callbacks=self._callbacks,
                sets=self._sets,
                loggers=loggers,
            )
            if finished is None:
                return
            console.wait_for("scoring the kept model, writing the report")
            try:
                metrics = leave_report(folder, finished, self._signals)
                leave_bf16_score(folder, finished, self._signals)
            finally:
                console.close_bar()
            loggers.log_kept(metrics)
            seconds = clock.elapsed()
            end = Ending(folder=folder, finished=finished, metrics=metrics, seconds=seconds)
            console.end(end.text(), end.record())
