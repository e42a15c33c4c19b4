"""Loading processes hand batches over in shared memory: too little is said before they start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yolokit.data.shared_memory import require_shared_memory
from yolokit.errors import DataError


def test_too_little_shared_memory_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    batch = free + 1  # bytes: one batch already is too much
    with pytest.raises(DataError, match=r"shared memory.*--shm-size.*--workers 0"):
        require_shared_memory(batch, workers=1, folder=tmp_path)
    require_shared_memory(batch, workers=0, folder=tmp_path)
    require_shared_memory(1, workers=2, folder=tmp_path)
    require_shared_memory(batch, workers=1, folder=tmp_path / "absent")
