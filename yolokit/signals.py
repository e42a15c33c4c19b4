"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP (its terminal is gone) do to a command or a training.

Each ends it with one line and the status that shells expect, 128 + the signal's number. A training
first finishes the batch under way and saves.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import NoReturn

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([_HANG_UP] if _HANG_UP else []))
# Seconds in which signals are one request: torchrun hands on to its processes what a terminal,
# SLURM or systemd has already sent to all of them.
_ONE_REQUEST = 2.0
_IMPORTING = "<frozen importlib._bootstrap>"  # the file name of the frames of an import


class StoppedBySignal(BaseException):
    """A signal to stop was answered; no ``Exception``: what handles errors must not swallow it.

    Args:
        number: of the signal.
        message: one line: what was kept, and how to go on.
    """

    def __init__(self, number: int, message: str = "stopped") -> None:
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status of a process that ends by this."""
        return 128 + self.number


class SignalWatch:
    """Answers signals to stop between ``with`` and its end; then the old handlers are back.

    At first a signal raises ``StoppedBySignal`` where the program stands. After ``wait`` the first
    one is kept in ``pending`` until the program asks, and one more than two seconds later raises.
    Under nohup the end of a terminal is no reason to stop. Outside a program's main thread Python
    allows no handlers: then nothing changes.

    Args:
        message: what the one line says; change it as the work goes on.
        own_process: end the process where it stands when a raised signal was swallowed, or while a
            module is being imported: C code there may drop an exception.
        now: the time in seconds.
    """

    def __init__(
        self,
        message: str = "stopped",
        *,
        own_process: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.message, self.own_process = message, own_process
        self._now, self._asked_at = now, 0.0
        self.pending: int | None = None
        self._waits = False
        self._raised: int | None = None
        self._pid = os.getpid()
        self._found: dict[int, object] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is threading.main_thread():
            self._found = {number: signal.getsignal(number) for number in STOP_SIGNALS}
            outer = getattr(self._found[signal.SIGINT], "__self__", None)
            self.own_process |= isinstance(outer, SignalWatch) and outer.own_process
            self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._found.items():
            if handler is not None:  # None: it was not set from Python, nor can it be
                signal.signal(number, handler)  # type: ignore[arg-type]
        self._found = {}
        if not isinstance(error, StoppedBySignal):
            self.raise_swallowed()

    def install(self) -> None:
        """Put the handlers in place, also over those that a library has set meanwhile."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if number != _HANG_UP or signal.getsignal(number) != signal.SIG_IGN:  # no nohup
                    signal.signal(number, self._answer)

    def wait(self) -> None:
        """From here on keep the first signal until ``raise_pending``."""
        self._waits = True

    def raise_at_once(self) -> None:
        """From here on do not wait any more; a signal that was kept is answered now."""
        self._waits = False
        if self.pending is not None:
            self.stop(self.pending)

    def raise_swallowed(self) -> None:
        """Answer a signal again whose exception C code made into another, or dropped."""
        if self._raised is not None:
            self.stop(self._raised)

    def stop(self, number: int) -> NoReturn:
        """End by a signal, as ``message`` says."""
        self._raised = number
        raise StoppedBySignal(number, self.message)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return  # a loading process, forked with these handlers: the first process decides
        if self._waits and self.pending is None:
            self.pending, self._asked_at = number, self._now()
            return
        if self._waits and self._now() - self._asked_at < _ONE_REQUEST:
            return
        if self.own_process and (self._raised is not None or _importing(frame)):
            with suppress(OSError):  # a terminal that is gone
                os.write(2, f"{self.message}\n".encode())
            os._exit(128 + number)
        self.stop(number)


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore all of them while the last words are said; for the end of a process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)


def outlive_group_signals() -> None:
    """In a helper process: leave signals to stop to the parent, but end when it says so.

    A terminal, SLURM and systemd signal every process of a group; the parent still needs its
    helpers to finish the work under way. Its own SIGTERM is told apart by the sender.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _HANG_UP:
        signal.signal(_HANG_UP, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS, Windows
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_the_parent_says, daemon=True).start()


def _end_when_the_parent_says() -> None:
    parent = os.getppid()
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
