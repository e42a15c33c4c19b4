"""What a person sees and can do while a command walks over frames."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import click

_PROGRESS_SECONDS = 0.25


class FrameProgress:
    """A line on stderr that counts frames, where a person watches."""

    def __init__(self) -> None:
        self.frames = 0
        self._start = self._shown = time.monotonic()
        self._on = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def tick(self) -> None:
        """One frame more."""
        self.frames += 1
        now = time.monotonic()
        if self._on and now - self._shown >= _PROGRESS_SECONDS:
            self._shown = now
            rate = self.frames / self.seconds
            click.echo(f"\r{self.frames} frames, {rate:.1f} a second ", err=True, nl=False)

    def clear(self) -> None:
        """Make room for what is said next."""
        if self._on:
            click.echo("\r" + " " * 40 + "\r", err=True, nl=False)


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
