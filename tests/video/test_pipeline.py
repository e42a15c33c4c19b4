"""The pipeline: every frame once, in order, however the threads run; every error once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.errors import ImageError, SourceError
from yolokit.inference.workers import Workers
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.pipeline import run_pipeline

FILE = Source("film", Kind.VIDEO)
EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def frames(count: int, source: Source = FILE, *, live: bool = False) -> Iterator[Frame]:
    for index in range(count):
        image = np.full((2, 2, 3), index % 256, np.uint8)
        yield Frame(image, source, index, pts_ms=index * 40.0, fps=25.0, live=live)


def brightness(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    """The picture's grey level as the label."""
    return [
        Detections(
            np.zeros((1, 4), np.float32), np.ones(1, np.float32), image[0, 0, :1].astype(int)
        )
        for image in images
    ]


def nothing(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    return [EMPTY] * len(images)


class Counts:
    """How many frames each stage has had; a stage may wait for another's count."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts = {"decode": 0, "predict": 0, "consume": 0}

    def __getitem__(self, stage: str) -> int:
        return self._counts[stage]

    def add(self, stage: str, count: int = 1) -> None:
        with self._changed:
            self._counts[stage] += count
            self._changed.notify_all()

    def wait_for(self, stage: str, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._counts[stage] >= count, timeout=10)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("slow", ["decode", "predict", "consume"])
def test_every_frame_once_in_order_with_its_own_detections(batch_size: int, slow: str) -> None:
    """The slow stage goes on only when the others have done all they can, or are well ahead."""
    seen: list[tuple[int, int]] = []
    counts, total, lead = Counts(), 50, 3

    def decoded() -> Iterator[Frame]:
        for frame in frames(total):
            if slow == "decode":
                counts.wait_for("consume", counts["decode"] // batch_size * batch_size)
            counts.add("decode")
            yield frame

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        if slow == "predict":
            counts.wait_for("decode", min(total, counts["predict"] + len(images) + lead))
        counts.add("predict", len(images))
        return brightness(images)

    def consume(frame: Frame, detections: Detections) -> None:
        if slow == "consume":
            counts.wait_for("predict", min(total, counts["consume"] + lead))
        counts.add("consume")
        seen.append((frame.index, int(detections.labels[0])))

    assert run_pipeline(decoded(), predict, consume, batch_size=batch_size) == total
    assert seen == [(index, index) for index in range(total)]


def test_batches_are_full_but_the_last() -> None:
    sizes: list[int] = []

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        sizes.append(len(images))
        return nothing(images)

    run_pipeline(frames(7), predict, lambda *_: None, batch_size=3)
    assert sizes == [3, 3, 1]


def test_live_frames_wait_for_no_batch() -> None:
    """The camera sends its next frame only when the last one has been looked at."""
    looked = threading.Event()
    looked.set()

    def camera() -> Iterator[Frame]:
        for frame in frames(3, Source("0", Kind.STREAM), live=True):
            assert looked.wait(10)
            looked.clear()
            yield frame

    def observe(_frame: Frame, _: Detections) -> bool:
        looked.set()
        return True

    assert run_pipeline(camera(), nothing, lambda *_: None, batch_size=3, observe=observe) == 3


def test_no_frames() -> None:
    assert run_pipeline(iter(()), nothing, lambda *_: None) == 0


def test_stages_overlap() -> None:
    """While a frame is consumed, a later one is predicted, and one later still is decoded."""
    decoded_third, predicted_second = threading.Event(), threading.Event()
    calls = {"predict": 0}

    def decode() -> Iterator[Frame]:
        for frame in frames(3):
            if frame.index == 2:
                decoded_third.set()
            yield frame

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        calls["predict"] += 1
        if calls["predict"] == 2:
            predicted_second.set()
        return nothing(images)

    def consume(frame: Frame, _: Detections) -> None:
        if frame.index == 0:  # a pipeline without overlap never gets past this
            assert predicted_second.wait(10) and decoded_third.wait(10)

    assert run_pipeline(decode(), predict, consume) == 3


def test_queues_are_bounded() -> None:
    """The consumer waits at each frame until decoding is ten ahead: further it cannot get."""
    counts, total, furthest = Counts(), 200, 0

    def decode() -> Iterator[Frame]:
        nonlocal furthest
        for frame in frames(total):
            furthest = max(furthest, frame.index - counts["consume"])
            counts.add("decode")
            yield frame

    def consume(frame: Frame, _: Detections) -> None:
        counts.wait_for("decode", min(total, frame.index + 10))
        counts.add("consume")

    run_pipeline(decode(), nothing, consume)
    assert 9 <= furthest < 15


def test_error_while_decoding_comes_after_what_was_decoded() -> None:
    seen: list[int] = []

    def decode() -> Iterator[Frame]:
        yield from frames(5)
        raise RuntimeError("bad sector")

    with pytest.raises(SourceError, match="reading failed: RuntimeError: bad sector"):
        run_pipeline(decode(), nothing, lambda frame, _: seen.append(frame.index))
    assert seen == [0, 1, 2, 3, 4]


def test_error_while_consuming_ends_an_endless_source() -> None:
    def consume(frame: Frame, _: Detections) -> None:
        if frame.index == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(SourceError, match=r"^writing failed: No space left on device. Make room"):
        run_pipeline(frames(10**9), nothing, consume)


def test_own_errors_and_those_of_prediction_pass_unchanged() -> None:
    def refuse(_frame: Frame, _: Detections) -> None:
        raise ImageError("as it is")

    with pytest.raises(ImageError, match=r"^as it is$"):
        run_pipeline(frames(10**9), nothing, refuse)

    def fail(_images: list[NDArray[np.uint8]]) -> list[Detections]:
        raise MemoryError("GPU")

    with pytest.raises(MemoryError, match="GPU"):
        run_pipeline(frames(10**9), fail, lambda *_: None)


def test_too_few_predictions_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        run_pipeline(frames(10**9), lambda _: [], lambda *_: None)


@pytest.mark.parametrize("workers", [None, Workers(3, lambda: None)])
def test_stop_keeps_a_gapless_beginning(workers: Workers | None) -> None:
    stop = threading.Event()
    seen: list[int] = []

    def consume(frame: Frame, _: Detections) -> None:
        seen.append(frame.index)
        if frame.index == 20:
            stop.set()

    count = run_pipeline(frames(10**9), nothing, consume, batch_size=4, workers=workers, stop=stop)
    assert seen == list(range(count))
    assert count > 20


def test_frames_are_looked_at_by_workers_but_live_ones_by_the_caller() -> None:
    """A live frame must not wait for others, nor a processor for it."""
    threads: dict[int, list[threading.Thread]] = {0: [], 1: []}
    labels: list[int] = []

    def mixed() -> Iterator[Frame]:
        yield from frames(5)
        yield from frames(1, Source("0", Kind.STREAM), live=True)
        yield from frames(5)

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        threads[threading.current_thread() is here].append(threading.current_thread())
        return brightness(images)

    here = threading.current_thread()
    count = run_pipeline(
        mixed(),
        predict,
        lambda _, found: labels.append(int(found.labels[0])),
        batch_size=4,
        workers=Workers(2, lambda: None),
    )
    assert (count, labels) == (11, [*range(5), 0, *range(5)])
    assert len(threads[True]) == 3  # and the first in a row, which nothing could be done beside
    assert len(threads[False]) == 8


def test_a_worker_that_fails_ends_the_run() -> None:
    def fail(images: list[NDArray[np.uint8]]) -> list[Detections]:
        if images[0][0, 0, 0] == 7:
            raise ZeroDivisionError
        return nothing(images)

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        run_pipeline(
            frames(10**9),
            fail,
            lambda frame, _: seen.append(frame.index),
            batch_size=4,
            workers=Workers(2, lambda: None),
        )
    assert seen == list(range(len(seen)))
    assert not [each for each in threading.enumerate() if each.name.startswith("ahead")]


def test_observer_runs_in_the_callers_thread_and_can_end_the_run() -> None:
    threads = set()

    def observe(frame: Frame, _: Detections) -> bool:
        threads.add(threading.current_thread())
        return frame.index < 5

    seen: list[int] = []
    run_pipeline(frames(10**9), nothing, lambda frame, _: seen.append(frame.index), observe=observe)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert threads == {threading.current_thread()}


def test_a_source_that_hangs_does_not_hold_a_stopped_run() -> None:
    stop, forever = threading.Event(), threading.Event()

    def decode() -> Iterator[Frame]:
        yield from frames(1)
        forever.wait()

    def consume(_frame: Frame, _: Detections) -> None:
        stop.set()

    try:
        assert run_pipeline(decode(), nothing, consume, stop=stop) == 1
    finally:
        forever.set()


def test_of_a_live_source_the_newest_frame_is_next() -> None:
    """While frame 0 is predicted, nine more arrive: the ninth is looked at, eight are dropped."""
    predicting, all_sent = threading.Event(), threading.Event()
    seen: list[int] = []

    def camera() -> Iterator[Frame]:
        first, *rest = frames(10, Source("0", Kind.STREAM), live=True)
        yield first
        assert predicting.wait(10)
        yield from rest
        all_sent.set()  # the pipeline has taken the ninth, or it would not ask again

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        predicting.set()
        assert all_sent.wait(10)
        return nothing(images)

    count = run_pipeline(camera(), predict, lambda frame, _: seen.append(frame.index))
    assert (count, seen) == (2, [0, 9])


def test_a_live_frame_replaces_none_of_another_source() -> None:
    predicting, all_sent = threading.Event(), threading.Event()
    seen: list[tuple[str, int]] = []

    def cameras() -> Iterator[Frame]:
        yield from frames(1)
        assert predicting.wait(10)
        for name in ("0", "1"):
            yield from frames(3, Source(name, Kind.STREAM), live=True)
        all_sent.set()

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        predicting.set()
        assert all_sent.wait(10)
        return nothing(images)

    run_pipeline(cameras(), predict, lambda frame, _: seen.append((frame.source.name, frame.index)))
    assert seen == [("film", 0), ("0", 2), ("1", 2)]
