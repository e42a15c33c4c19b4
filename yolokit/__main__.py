"""The command's process, as ``yolokit`` and as ``python -m yolokit``."""

from __future__ import annotations

import signal
import sys

from yolokit.signals import STOP_SIGNALS, SignalWatch, StoppedBySignal


def run() -> int:
    """Answer signals from before anything large is imported until the process ends.

    Returns:
        The exit status.
    """
    SignalWatch(own_process=True).install()
    try:
        from yolokit.cli.main import main

        return main()
    except StoppedBySignal as stop:
        print(stop, file=sys.stderr)
        return stop.status
    finally:
        for number in STOP_SIGNALS:  # the last words are said
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":  # worker processes started by "spawn" import this file again
    sys.exit(run())
