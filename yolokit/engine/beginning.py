"""The first that a training leaves and says."""

from __future__ import annotations

from typing import Any

import lightning

from yolokit.config_file import dump_config
from yolokit.engine.console import Console
from yolokit.engine.loggers import RunLoggers
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.saved_state import Saved
from yolokit.engine.summary import Opening, summary
from yolokit.files import write_text_atomically


class Beginning(lightning.Callback):
    """Writes a run's first files and says what it is about to do.

    Only when what is wrong with the config or the data has been reported and every process is
    there: one that comes late must still find the folder as it was.

    Args:
        folder: of the run.
        loggers: which begin here too.
        opening: the training about to start.
        saved: the state it continues from, or None.
        console: where it speaks.
    """

    def __init__(
        self,
        folder: RunFolder,
        loggers: RunLoggers,
        opening: Opening,
        saved: Saved | None,
        console: Console,
    ) -> None:
        self.folder, self.loggers, self.opening = folder, loggers, opening
        self.saved, self.console = saved, console

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Begin, in the first process; Lightning lets all of them meet before."""
        if not trainer.is_global_zero:
            return
        write_text_atomically(self.folder.config, dump_config(self.opening.config))
        self.console.say(summary(self.opening))
        self.folder.clean()
        self.loggers.begin(self.opening.config)  # they look at the rows that go now
        self.folder.rewind_metrics(self.saved.epochs if self.saved else 0)
