"""The command's process, as ``yolokit`` and as ``python -m yolokit``."""

from __future__ import annotations

import os
import signal
import sys

from yolokit.signals import STOP_SIGNALS, SignalWatch, StoppedBySignal

_SPINS = "10000"  # turns of a waiting thread, a thirtieth of libgomp's default


def run() -> int:
    """Answer signals from before anything large is imported until the process ends.

    OpenMP's threads wait for each other busily, but shortly: on a machine where others compute, a
    long wait takes the processor from the very thread that is waited for.

    Returns:
        The exit status.
    """
    SignalWatch(own_process=True).install()
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read when torch is loaded
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
