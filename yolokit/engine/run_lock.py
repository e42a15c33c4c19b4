"""One training a folder, by a lock that dies with its process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yolokit.errors import YolokitError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The system's locks are a process's, not a thread's: what this one holds is remembered here.
_held: set[Path] = set()
_turn = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only training in a folder until the end of the block.

    A record lock on a file ``.lock`` in it: kept by the operating system, on network drives too,
    gone with the process however it ends, and not inherited by loading processes. Where a file
    system knows no locks, only this process's other threads are kept out.

    Raises:
        YolokitError: another training is at work there.
    """
    path = folder.resolve() / ".lock"
    with _turn:
        if path in _held:
            raise _busy(folder)
        handle = _open_locked(path, folder)
        _held.add(path)
    try:
        yield
    finally:
        with _turn:
            _held.discard(path)
            if sys.platform != "win32":
                path.unlink(missing_ok=True)  # while it is locked: nobody else's, then
            os.close(handle)
            if sys.platform == "win32":
                with suppress(OSError):  # somebody has it open already
                    path.unlink(missing_ok=True)


def _open_locked(path: Path, folder: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            os.close(handle)
            raise _busy(folder) from None
        except OSError:
            return handle  # no locks on this file system
        if _still_there(handle, path):
            return handle
        os.close(handle)  # its last owner deleted it between opening and locking


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _busy(folder: Path) -> YolokitError:
    return YolokitError(
        f"another training is at work in {folder}. Wait for its end, or give another folder "
        "with --run"
    )
