"""Where a training speaks: lines on standard output, and beneath them one bar for the whole run."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

_LOOKS_APART = 0.25  # seconds between two looks at the bar
_BAR_CELLS = 24
LINES_APART = 60.0  # seconds between two lines where nobody sees a bar


class Console:
    """Says what a training does, to people or to a program.

    Lines go to standard output. The bar goes to standard error, where that is a terminal, and is
    gone at the end; where it is none, no control character is written anywhere.

    Args:
        quiet: say nothing.
        as_json: one JSON document at the end, and nothing else on standard output.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.silent, self.as_json = quiet or as_json, as_json
        self.watched = not self.silent and sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._looked = self._said = time.monotonic()

    def say(self, text: str) -> None:
        """Print one or more lines, above the bar."""
        if self.silent:
            return
        self._said = time.monotonic()
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def warn(self, text: str) -> None:
        """Print a line on standard error, above the bar, also where nothing else is said."""
        if self._bar is not None:
            self._bar.clear()
        print(f"warning: {text}", file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def quiet_for(self) -> float:
        """Seconds since the last line."""
        return time.monotonic() - self._said

    def show(self, share: float, texts: Callable[[], tuple[str, str]]) -> None:
        """Move the bar.

        Args:
            share: 0..1, of the run.
            texts: what stands before and behind it; asked for only when it is drawn.
        """
        now = time.monotonic()
        if not self.watched or now - self._looked < _LOOKS_APART:
            return
        self._looked = now
        before, behind = texts()
        cells = min(_BAR_CELLS, max(4, shutil.get_terminal_size().columns - 60))
        style = f"{before} |{{bar:{cells}}}| {{percentage:3.0f}}%  {behind}"
        if self._bar is None:
            self._bar = tqdm(
                total=1.0, bar_format=style, leave=False, file=sys.stderr, dynamic_ncols=True
            )
        self._bar.bar_format, self._bar.n = style, min(1.0, share)
        self._bar.refresh()

    def wait_for(self, what: str) -> None:
        """Say what takes a few seconds now, where a person watches, until the next line."""
        if self.watched:
            self.close_bar()
            self._bar = tqdm(desc=what, bar_format="{desc} …", leave=False, file=sys.stderr)

    def close_bar(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def end(self, text: str, record: Mapping[str, Any]) -> None:
        """Say how it ended: as text, or as the one JSON document."""
        self.close_bar()
        if self.as_json:
            print(json.dumps(record, allow_nan=False), flush=True)
        else:
            self.say(text)


def clock_text(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
