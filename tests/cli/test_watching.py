"""The time that is told of a frame is its share of what passed."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from yolokit.cli.watching import Watch
from yolokit.inference.workers import Workers
from yolokit.video.frames import Frame, Kind, Source


@pytest.mark.parametrize(("in_worker", "count", "seconds"), [(True, 1, 0.25), (False, 4, 0.25)])
@pytest.mark.parametrize("alone", [True, False])
def test_a_frame_is_told_what_it_took(
    in_worker: bool, count: int, seconds: float, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four workers: of a second, a frame among others counts a quarter; one by itself, all."""
    if alone:
        in_worker, count, seconds = False, 1, 1.0
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    told: list[float] = []
    predictor: Any = SimpleNamespace(
        workers=Workers(4, lambda: None), predict_images=lambda images, **_: images
    )
    teller: Any = SimpleNamespace(tell=lambda frame, detections, taken: told.append(taken))
    wanted: Any = SimpleNamespace(conf=0.25, iou=None, limit=100, labels=None)
    watch = Watch(predictor, wanted, teller, None, lambda frame, _: frame.image)
    film = Source("film", Kind.VIDEO)
    frames = [
        Frame(np.zeros((2, 2, 3), np.uint8), film, index, pts_ms=0.0, fps=25.0)
        for index in range(count)
    ]
    images = [frame.image for frame in frames]
    if in_worker:
        worker = threading.Thread(target=watch.predict, args=(images,))
        worker.start()
        worker.join()
    else:
        watch.predict(images)
    nothing: Any = []
    for frame in frames:
        watch.observe(frame, nothing)
    assert told == [seconds] * count
