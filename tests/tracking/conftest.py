"""Frames and boxes by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source

FILM = Source("film", Kind.VIDEO)
Found = Callable[..., Detections]
MakeFrame = Callable[..., Frame]


@pytest.fixture
def found() -> Found:
    """Detections of rows (x1, y1, x2, y2, score, label), with ids where they are given."""

    def make(
        rows: Sequence[tuple[float, float, float, float, float, int]],
        ids: Sequence[int] | None = None,
    ) -> Detections:
        table = np.array(rows, dtype=np.float32).reshape(-1, 6)
        return Detections(
            table[:, :4].copy(),
            table[:, 4].copy(),
            table[:, 5].astype(np.int64),
            None if ids is None else np.array(ids, dtype=np.int64),
        )

    return make


@pytest.fixture
def frame() -> MakeFrame:
    """A black frame of 100 x 80."""

    def make(index: int, *, source: Source = FILM, fps: float = 25.0) -> Frame:
        image = np.zeros((80, 100, 3), np.uint8)
        return Frame(image, source, index, pts_ms=index * 1000 / fps, fps=fps)

    return make
