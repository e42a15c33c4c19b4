"""A line on stderr that says how far a command is, where a person watches."""

from __future__ import annotations

import sys
import time

import click

_SECONDS = 0.25  # between two looks at the line
_WIDTH = 60  # characters, to wipe it out


class ProgressLine:
    """Rewrites one line; writes nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._on, self._shown = sys.stderr.isatty(), time.monotonic()

    def __call__(self, label: str, share: float) -> None:
        """Say what is being done, and the share of it that is, 0..1."""
        now = time.monotonic()
        if self._on and now - self._shown >= _SECONDS:
            self._shown = now
            click.echo(f"\r{label} {share:4.0%}".ljust(_WIDTH), err=True, nl=False)

    def clear(self) -> None:
        """Make room for what is said next."""
        if self._on:
            click.echo("\r" + " " * _WIDTH + "\r", err=True, nl=False)
