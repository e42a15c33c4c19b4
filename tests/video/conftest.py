"""Small real videos and pictures, and a predictor whose answers can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.types import Detections

MakeVideo = Callable[..., Path]


def counter_image(number: int, *, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """RGB; 8 vertical bars, white or black, that spell ``number`` in binary: survives a codec."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    bars = np.repeat(np.array(bits, np.uint8) * 200 + 20, width // 8)
    return np.ascontiguousarray(np.broadcast_to(bars[None, :, None], (height, width, 3)))


def read_counter(image: NDArray[np.uint8]) -> int:
    """The number in ``counter_image``."""
    bar = image.shape[1] // 8
    return sum(
        int(image[:, bit * bar + 1 : (bit + 1) * bar - 1].mean() > 128) << bit for bit in range(8)
    )


@pytest.fixture
def counters() -> SimpleNamespace:
    """The functions of this file, for tests to call."""
    return SimpleNamespace(
        image=counter_image, read=read_counter, read_video=read_video, predict=count_predictor
    )


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video of counters with OpenCV itself."""

    def make(name: str = "film.avi", *, frames: int = 20, fps: float = 12.5) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
        assert writer.isOpened()
        for number in range(frames):
            writer.write(counter_image(number))
        writer.release()
        return path

    return make


def read_video(path: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """Every frame (BGR) and the frame rate, by plain OpenCV."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, image = capture.read()
        if not ok:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(np.asarray(image, dtype=np.uint8))


def count_predictor(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    """One box a picture whose x is the number that the picture shows."""
    return [
        Detections(
            boxes=np.array([[read_counter(image), 1, 60, 40]], np.float32),
            scores=np.array([0.5], np.float32),
            labels=np.array([0], np.int64),
        )
        for image in images
    ]
