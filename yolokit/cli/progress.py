"""What a person can do while a command walks over frames."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import click


@dataclass
class Stopping:
    """Set by the first SIGINT or SIGTERM."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[Stopping]:
    """Finish the files on the first Ctrl-C or SIGTERM; a second one does not wait."""
    stopping = Stopping()

    def remember(number: int, _frame: FrameType | None) -> None:
        if stopping.event.is_set():
            raise KeyboardInterrupt
        stopping.number = number
        stopping.event.set()
        click.echo("stopping: finishing the files, again to give up", err=True)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
