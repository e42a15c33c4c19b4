"""A line on stderr that says how far a command is, where a person watches."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

import click

_SECONDS = 0.25  # between two looks at the line


class ProgressLine:
    """Rewrites one line; writes nothing where stderr is no terminal.

    Args:
        on: False writes nothing anywhere.
    """

    def __init__(self, *, on: bool = True) -> None:
        self._on, self._shown = on and sys.stderr.isatty(), time.monotonic()
        self._width = 0  # characters that stand there

    def __call__(self, label: str, share: float) -> None:
        """Say what is being done, and the share of it that is, 0..1."""
        self.say(lambda: f"{label} {share:4.0%}")

    def say(self, line: Callable[[], str]) -> None:
        """Show a line, cut to the terminal; it is asked for only when it is time to look again."""
        now = time.monotonic()
        if not self._on or now - self._shown < _SECONDS:
            return
        self._shown = now
        text = line()[: shutil.get_terminal_size().columns - 1]
        click.echo("\r" + text.ljust(self._width), err=True, nl=False)
        self._width = len(text)

    def clear(self) -> None:
        """Make room for what is said next."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
        self._width = 0
