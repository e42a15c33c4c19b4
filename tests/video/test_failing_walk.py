"""A walk over several sources, one of which fails."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.json_sinks import RowSink
from yolokit.video.walk import UnfinishedError, walk


class FullDisk:
    """A sink that can write nothing."""

    def __init__(self) -> None:
        self.written: list[Path] = []

    def write(self, frame: Frame, detections: Detections) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def end_source(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
    nothing = np.zeros((0, 4), dtype=np.float32)
    return [Detections(nothing, nothing[:, 0], np.zeros(0, dtype=np.int64)) for _ in images]


def test_what_fails_after_a_film_that_cannot_be_read_is_named_and_that_one_too(
    tmp_path: Path,
) -> None:
    broken, good = tmp_path / "broken.avi", tmp_path / "good.avi"
    broken.write_bytes(b"no film")
    writer = cv2.VideoWriter(str(good), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), dtype=np.uint8))
    writer.release()
    sources = [Source(str(path), Kind.VIDEO, path) for path in (broken, good)]
    with pytest.raises(UnfinishedError, match=r"good\.avi: writing failed: No space") as failure:
        walk(sources, predict, [FullDisk()])
    (skipped,) = failure.value.finished.skipped
    assert "broken.avi" in str(skipped)


def test_rows_of_a_data_set_of_which_a_part_was_looked_at_are_not_written(tmp_path: Path) -> None:
    sources = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.zeros((8, 8, 3), dtype=np.uint8))
        sources.append(Source(str(path), Kind.IMAGE, path, image_id=number))
    for last, written in ((0, False), (3, True)):
        target = tmp_path / f"rows-{last}.json"
        sink = RowSink(target, [1])
        outcome = walk(sources, predict, [sink], observe=lambda frame, _, n=last: frame.index != n)
        assert target.exists() == written == (target in outcome.written)
        assert any(str(target) in note for note in outcome.notes) != written
