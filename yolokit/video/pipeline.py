"""Decode, predict and write at the same time: three threads, bounded queues, order kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby, islice
from typing import Generic, TypeVar

from yolokit.errors import SourceError, YolokitError
from yolokit.files import refusal
from yolokit.inference.workers import Detect, Workers, detect_each
from yolokit.types import Detections
from yolokit.video.frames import Frame

Predict = Detect
Consume = Callable[[Frame, Detections], None]
Follow = Callable[[Frame, Detections], Detections]
Observe = Callable[[Frame, Detections], bool]

_QUEUE_FRAMES = 4  # decoded frames that wait; a 4K frame is 25 MB
_POLL_SECONDS = 0.1  # how soon a stop is noticed by a thread that waits
_HANG_SECONDS = 2.0  # how long a source that was told to stop is waited for
T = TypeVar("T")


def run_pipeline(
    frames: Iterable[Frame],
    predict: Predict,
    consume: Consume,
    *,
    batch_size: int = 1,
    workers: Workers | None = None,
    follow: Follow | None = None,
    observe: Observe | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Predict on every frame and hand each, in order, to ``consume``.

    Frames are decoded in one thread and consumed in another; the rest runs in the calling thread,
    where windows must be served. Live frames go one by one, and one that still waits when the next
    arrives is dropped: what is seen is never late. When ``stop`` is set, what was predicted is
    still consumed.

    Args:
        frames: iterated once, in the decoding thread.
        predict: detections of a list of at most ``batch_size`` pictures, one for each.
        consume: called once for each frame, in the consuming thread.
        batch_size: frames predicted together, or taken ahead of those that workers look at.
        workers: in which ``predict`` is called with a frame at a time; None: in this thread.
        follow: called for each frame, in order; what it makes of the detections takes their place.
        observe: called for each frame after that; False ends the run early.
        stop: set from anywhere (a signal handler) to end the run early.

    Returns:
        How many frames were consumed.

    Raises:
        SourceError: what failed in decoding or consuming; yolokit's own errors as they are.
            What ``predict``, ``follow`` and ``observe`` raise is passed on unchanged.
    """
    stop = stop or threading.Event()
    broken = threading.Event()  # a thread failed: nobody needs to wait for the others
    decoding = _Decoder(frames, (stop, broken), capacity=max(_QUEUE_FRAMES, batch_size))
    results: _Channel[tuple[Frame, Detections]] = _Channel(_QUEUE_FRAMES, (broken,))
    consuming = _Consumer(results, consume, broken)
    try:
        with closing(
            predicted(decoding, predict, batch_size=batch_size, workers=workers)
        ) as looked_at:
            for frame, detections in looked_at:
                if follow is not None:
                    detections = follow(frame, detections)
                results.put((frame, detections))
                if observe is not None and not observe(frame, detections):
                    stop.set()
                if broken.is_set():
                    break
    except BaseException:
        broken.set()
        consuming.join()
        raise
    results.end()
    consuming.join()
    decoding.join()
    for failure, doing in ((consuming.failure, "writing"), (decoding.failure, "reading")):
        if failure is not None:
            with failing(doing):
                raise failure
    return consuming.count


def decoded(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    """Frames that are decoded ahead in a thread; of live ones the newest when it is asked for.

    Args:
        frames: iterated once, in that thread.
        stop: set when no more frames are wanted, which closing the iterator does.

    Raises:
        SourceError: what failed in decoding; yolokit's own errors as they are.
    """
    decoding = _Decoder(frames, (stop,), capacity=_QUEUE_FRAMES)
    try:
        yield from decoding
    finally:
        stop.set()
        decoding.join()
    if decoding.failure is not None:
        with failing("reading"):
            raise decoding.failure


class _Channel(Generic[T]):
    """A bounded queue that lets go of whoever waits as soon as one of the events is set."""

    def __init__(self, capacity: int, cancels: Sequence[threading.Event]) -> None:
        self._items: deque[T | None] = deque()
        self._changed = threading.Condition()
        self._capacity, self._cancels = capacity, cancels

    def put(self, item: T | None, replaces: Callable[[T], bool] | None = None) -> bool:
        """Add an item, when there is room for it; False when cancelled.

        Args:
            item: None ends the channel.
            replaces: whether the item takes the place of one that waits: the last, if any.
        """
        with self._changed:
            while not self.cancelled:
                last = self._items[-1] if self._items else None
                if last is not None and replaces is not None and replaces(last):
                    self._items[-1] = item
                elif len(self._items) >= self._capacity:
                    self._changed.wait(_POLL_SECONDS)
                    continue
                else:
                    self._items.append(item)
                self._changed.notify_all()
                return True
        return False

    def end(self) -> None:
        """No more items."""
        self.put(None)

    def __iter__(self) -> Iterator[T]:
        while not self.cancelled:
            with self._changed:
                if not self._items:
                    self._changed.wait(_POLL_SECONDS)
                    continue
                item = self._items.popleft()
                self._changed.notify_all()
            if item is None:
                return
            yield item

    @property
    def cancelled(self) -> bool:
        return any(event.is_set() for event in self._cancels)


class _Decoder:
    """The decoding thread; iterate over it for its frames."""

    def __init__(
        self, frames: Iterable[Frame], cancels: Sequence[threading.Event], *, capacity: int
    ) -> None:
        self.failure: BaseException | None = None
        self._frames = frames
        self._channel: _Channel[Frame] = _Channel(capacity, cancels)
        # A daemon: a camera that no longer answers must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._channel)

    def join(self) -> None:
        """Wait for the thread, but not for a source that hangs."""
        self._thread.join(timeout=_HANG_SECONDS if self._channel.cancelled else None)

    def _run(self) -> None:
        try:
            for frame in self._frames:
                if not self._channel.put(frame, replaces=_newer_than(frame)):
                    break
        except BaseException as error:
            self.failure = error
        finally:
            self._channel.end()


class _Consumer:
    """The consuming thread."""

    def __init__(
        self,
        items: Iterable[tuple[Frame, Detections]],
        consume: Consume,
        broken: threading.Event,
    ) -> None:
        self.failure: BaseException | None = None
        self.count = 0
        self._items, self._consume, self._broken = items, consume, broken
        self._thread = threading.Thread(target=self._run, name="consume", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until everything is consumed."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for frame, detections in self._items:
                self._consume(frame, detections)
                self.count += 1
        except BaseException as error:
            self.failure = error
            self._broken.set()


def _newer_than(frame: Frame) -> Callable[[Frame], bool] | None:
    """Whether a frame that waits is stale once this one is there."""
    return (lambda waiting: waiting.source is frame.source) if frame.live else None


def predicted(
    frames: Iterable[Frame], predict: Predict, *, batch_size: int, workers: Workers | None = None
) -> Generator[tuple[Frame, Detections], None, None]:
    """Every frame and its detections, in order; a live one as soon as it comes, by itself.

    Args:
        frames: taken a few ahead, but for live ones.
        predict, batch_size, workers: see ``run_pipeline``.
    """
    for live, run in groupby(frames, key=lambda frame: frame.live):
        for some, size in _steps(run, 1 if live else batch_size, workers):
            found = detect_each(
                some, lambda frame: frame.image, predict, batch_size=size, workers=workers
            )
            with closing(found):
                for frame, _, detections in found:
                    yield frame, detections


def _steps(
    frames: Iterator[Frame], batch_size: int, workers: Workers | None
) -> Iterator[tuple[Iterator[Frame], int]]:
    """Frames in parts, and how many are taken at a time; before workers begin, the first is looked
    at here, by all processors: there may be no other."""
    if workers is not None:
        yield islice(frames, 1), 1
    yield frames, batch_size


@contextmanager
def failing(doing: str) -> Iterator[None]:
    """Say of what fails inside that it failed while ``doing``; yolokit's own errors say it all."""
    try:
        yield
    except YolokitError:
        raise
    except OSError as error:
        raise SourceError(f"{doing} failed: {refusal(error)}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        kind = type(error).__name__
        raise SourceError(f"{doing} failed: {kind}: {reason}. --debug shows where") from error
