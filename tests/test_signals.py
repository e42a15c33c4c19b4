"""What a signal does while a program waits for a good moment to end."""

from __future__ import annotations

import os
import signal

import pytest

from yolokit.signals import SignalWatch, StoppedBySignal


def test_signals_within_two_seconds_are_one_request_and_a_later_one_ends_at_once() -> None:
    seconds = 10.0
    watch = SignalWatch("lost", now=lambda: seconds)
    with pytest.raises(StoppedBySignal, match="lost") as stopped, watch:
        watch.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        seconds = 11.9
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.pending == signal.SIGTERM
        seconds = 12.1
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("still running")
    assert stopped.value.status == 130


def test_a_kept_signal_is_answered_when_waiting_ends() -> None:
    with pytest.raises(StoppedBySignal) as stopped, SignalWatch() as watch:
        watch.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        watch.raise_at_once()
    assert stopped.value.status == 143
