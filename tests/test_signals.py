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


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_the_end_of_a_terminal_is_a_signal_to_stop() -> None:
    with pytest.raises(StoppedBySignal) as stopped, SignalWatch() as watch:
        watch.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        watch.raise_at_once()
    assert stopped.value.status == 129


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_under_nohup_a_program_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalWatch() as watch:
            watch.install()
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert watch.pending is None
    finally:
        signal.signal(signal.SIGHUP, before)
