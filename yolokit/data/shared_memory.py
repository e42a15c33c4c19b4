"""Whether the loading processes have room to hand their batches over."""

from __future__ import annotations

import os
from pathlib import Path

from yolokit.errors import DataError

_FOLDER = Path("/dev/shm")  # Linux; containers often have 64 MB of it
_PREFETCHED = 2  # batches that each process has ready, torch's default


def require_shared_memory(batch_bytes: int, *, workers: int, folder: Path = _FOLDER) -> None:
    """Check that the batches on their way fit; without room torch waits for them for ever.

    Args:
        batch_bytes: of one batch of this process.
        workers: loading processes; 0 needs nothing.
        folder: where shared memory lies; a system without it is not checked.

    Raises:
        DataError: they do not fit.
    """
    if not workers or not folder.is_dir() or not hasattr(os, "statvfs"):
        return
    needed = (_PREFETCHED * workers + 1) * batch_bytes
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if needed > free:
        raise DataError(
            f"{workers} loading processes need {needed / 1e6:.0f} MB of shared memory, {folder} "
            f"has {free / 1e6:.0f} MB left. Start the container with --shm-size=2g or --ipc=host, "
            "or use --workers 0"
        )
