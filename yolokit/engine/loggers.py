"""Where a training's numbers go beside ``metrics.csv``: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyLogger

from yolokit.config import ResolvedConfig
from yolokit.engine.console import Console
from yolokit.engine.logger_kinds import KINDS, Begun, Status, class_terms
from yolokit.engine.logger_packages import LoggerName
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.saved_state import leaves
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.plain_text import without_passwords
from yolokit.signals import StoppedBySignal

_MOST_CLASSES = 100  # that are logged one by one; COCO has 80
_LONGEST_REASON = 200  # characters of an error that quotes a package
_SCORES = ("AP", "AP50", "AP75")


class QuietLogger(Logger):
    """One of Lightning's loggers whose errors end no training: the first one silences it.

    It takes numbers from ``begin`` to ``end``; before, after, and in other processes than the
    first it does nothing.

    Args:
        name: of its kind.
        folder: of the run.
        console: where its failing is said.
    """

    def __init__(self, name: LoggerName, folder: RunFolder, console: Console) -> None:
        super().__init__()
        self._kind_name, self._kind, self._folder, self._console = (
            name,
            KINDS[name],
            folder,
            console,
        )
        self._logger: Logger = DummyLogger()
        self._begun: Begun | None = None
        self._logged = -1  # the last step that an earlier session logged

    def begin(
        self, settings: Mapping[str, Any], remembered: Mapping[str, str] | None, logged: int
    ) -> Mapping[str, str] | None:
        """Begin, or go on with the experiment of an earlier session.

        Args:
            settings: of the run.
            remembered: what this gave in that session; None where there was none.
            logged: the last step of which it has numbers.

        Returns:
            What to remember; None where it cannot begin.
        """
        try:
            self._begun = self._kind.begin(
                self._folder.path, remembered or {}, self._console.silent
            )
            self._logger = self._begun.logger
            if not self._begun.continued:  # there is one value for a setting in MLflow
                self._logger.log_hyperparams(dict(settings))
        except Exception as error:  # whatever a package of others raises
            self._give_up(error, f". {self._kind.advice}")
            return None
        self._logged = -1 if remembered is None else logged
        return self._begun.remembered

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand on what is a number, of a step that a killed session had not reached."""
        if step is None or step > self._logged:
            self.record(metrics, step)

    def record(self, metrics: Mapping[str, float], step: int | None) -> None:
        """Hand on what is a number, also of a step that had its numbers before."""
        named = zip(self._kind.names(metrics), metrics.values(), strict=True)
        numbers = {name: value for name, value in named if math.isfinite(value)}
        try:
            self._logger.log_metrics(numbers, step)
            self._logger.save()  # of a killed run they must be there
        except Exception as error:
            self._give_up(error, "")

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are logged as the run begins."""

    def finalize(self, status: str) -> None:
        """Nothing yet: the kept model's score is still to come."""

    def end(self, status: Status) -> None:
        """Take no more numbers."""
        begun, self._begun, self._logger = self._begun, None, DummyLogger()
        if begun is not None:
            try:
                begun.end(status)
            except Exception as error:
                self._give_up(error, "")

    @property
    def name(self) -> str | None:
        """The kind of logger."""
        return self._kind_name

    @property
    def version(self) -> str:
        """None of its own: the run's folder says which run it is."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self._folder.path)

    @property
    def experiment(self) -> Any:
        """The package's own object, for callbacks of the user's."""
        return self._logger.experiment  # type: ignore[attr-defined]

    def _give_up(self, error: Exception, advice: str) -> None:
        self._logger, self._begun = DummyLogger(), None
        said = " ".join(f"{type(error).__name__}: {error}".split())
        reason = without_passwords(said)[:_LONGEST_REASON]
        self._console.warn(
            f"{self._kind_name} takes no numbers of this training any more ({reason}); it goes on, "
            f"and {self._folder.metrics} has them all{advice}"
        )


class RunLoggers:
    """The loggers of a run, from ``with`` to its end.

    Args:
        names: of those wanted.
        folder: of the run, whose name they carry.
        console: where a logger that fails is reported.
    """

    def __init__(self, names: Iterable[LoggerName], folder: RunFolder, console: Console) -> None:
        self._folder = folder
        self.loggers = {name: QuietLogger(name, folder, console) for name in names}
        self._step = 0

    def __enter__(self) -> RunLoggers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped = isinstance(error, StoppedBySignal)
        for logger in self.loggers.values():
            logger.end("done" if error is None else "stopped" if stopped else "failed")

    def begin(self, config: ResolvedConfig) -> None:
        """Begin all of them, in the run's first process, before metrics.csv is rewound."""
        if not self.loggers:
            return
        settings = {key: _plain(value) for key, value in leaves(config.model_dump(mode="json"))}
        before = self._folder.read_loggers()
        rows = self._folder.read_metrics()
        logged = int(rows[-1]["step"]) if rows else -1
        now: dict[str, Mapping[str, str] | None] = {
            name: logger.begin(settings, before.get(name), logged)
            for name, logger in self.loggers.items()
        }
        begun = {name: each for name, each in now.items() if each is not None}
        self._folder.write_loggers({**before, **begun})

    def log(self, row: Mapping[str, float], metrics: CocoMetrics | None, step: int) -> None:
        """Log an epoch.

        Args:
            row: its numbers in metrics.csv.
            metrics: of its validation, if it had one; per class they are logged as well.
            step: optimizer steps done.
        """
        self._step = step
        for logger in self.loggers.values():
            logger.log_metrics({**row, **(_scores(metrics) if metrics else {})}, step)

    def log_kept(self, metrics: CocoMetrics | None) -> None:
        """Log what the kept model scores, at the run's last step."""
        if metrics is None:
            return
        kept = {f"kept/{name}": value for name, value in _scores(metrics).items()}
        for logger in self.loggers.values():
            logger.record(kept, self._step)


def _scores(metrics: CocoMetrics) -> dict[str, float]:
    """AP, AP50, AP75, and ``AP/NAME`` of each class, unless there are very many."""
    scores = {name: metrics.numbers[name] for name in _SCORES}
    classes = metrics.per_class if len(metrics.per_class) <= _MOST_CLASSES else {}
    names = class_terms(classes)
    return scores | {name: found["AP"] for name, found in zip(names, classes.values(), strict=True)}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
