"""What other processes, memory and disks do to a training, in one line each."""

from __future__ import annotations

import errno
from pathlib import Path

from yolokit.engine.module import DivergedError
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.saved_state import unusable
from yolokit.errors import YolokitError

_FROM_A_PROCESS = "\nOriginal Traceback"
_OTHER_RANK = ("gloo", "nccl", "closed by peer", "reset by peer", "broken pipe")


def explained(
    error: Exception, folder: RunFolder, *, world_size: int, resumed: Path | None, started: bool
) -> Exception:
    """The error that a user can act on, for one from inside the training; else the same one.

    Args:
        error: as it was raised.
        folder: of the run.
        world_size: training processes.
        resumed: the state that was to be continued from, or None.
        started: the first batch was reached.
    """
    if isinstance(error, DivergedError):
        return DivergedError(f"{error}; {_kept(folder)}")
    if isinstance(error, YolokitError):
        return _own_words(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or folder.path
        return YolokitError(
            f"cannot write {where}: {error.strerror}. Make room there; {_kept(folder)}"
        )
    if isinstance(error, OSError) and error.filename not in (None, resumed, str(resumed)):
        return error
    text = " ".join(str(error).split())
    if resumed is not None and not started:
        return unusable(resumed, text[:100])
    if isinstance(error, RuntimeError):
        if world_size > 1 and any(word in text.lower() for word in _OTHER_RANK):
            return YolokitError(
                f"another process of this training ended or cannot be reached; {_kept(folder)}. "
                "Its own error says why"
            )
        return loading_failure(text) or error
    return error


def loading_failure(text: str) -> YolokitError | None:
    """What to do about a loading process that died, or None if the message is of something else."""
    if "shared memory" in text or "(shm)" in text or "Bus error" in text:
        return YolokitError(
            "the loading processes need more shared memory than there is in /dev/shm. Start the "
            "container with --shm-size=2g (or --ipc=host), or train with --workers 0"
        )
    if "DataLoader worker" in text:
        return YolokitError(
            "a loading process was killed, often for want of memory, or could not start. Use "
            "fewer with --workers (0: none); a script that trains needs "
            '`if __name__ == "__main__":` around its call'
        )
    return None


def _own_words(error: YolokitError) -> YolokitError:
    """An error of a loading process without the traceback that torch makes its message of."""
    text = str(error).rstrip()
    if _FROM_A_PROCESS not in text:
        return error
    return type(error)(text.rpartition("\n")[2].partition(f"{type(error).__name__}: ")[2])


def _kept(folder: RunFolder) -> str:
    if folder.checkpoint.exists():
        return f"the last state before it is kept: continue with --resume {folder.path}"
    return "nothing had been saved yet"
