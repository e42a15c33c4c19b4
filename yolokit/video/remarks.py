"""What C code prints to the process's stderr, but for a remark that is known and means nothing."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_STDERR = 2
_one_at_a_time = threading.Lock()


@contextmanager
def without_remark(known: re.Pattern[bytes]) -> Iterator[None]:
    """Hold back what is printed to stderr inside, by any thread; print it after, but for ``known``.

    Args:
        known: matches the beginning of a line that is left out.
    """
    with _one_at_a_time:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # there is none
            yield
            return
        with tempfile.TemporaryFile() as held:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(held.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(saved, _STDERR)
                os.close(saved)
                _print(held, known)


def _print(held: IO[bytes], known: re.Pattern[bytes]) -> None:
    held.seek(0)
    for line in held:
        if not known.match(line):
            os.write(_STDERR, line)
