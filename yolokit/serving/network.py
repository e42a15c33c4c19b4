"""The one thread that runs the network, on as many pictures at a time as happen to wait.

Pictures come prepared, from any thread, each with its own thresholds. A picture waits a few
milliseconds for others only while some are being decoded: alone, it goes at once. What is found in
it is what it would be by itself, but for the rounding of sums in another order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.data.prepare import prepare_image, together
from yolokit.inference.postprocess import require_numbers, select_detections
from yolokit.inference.predictor import Predictor
from yolokit.types import DecodedArrays, Detections, Letterbox

_BLANK_HW = (320, 320)  # pixels of the first picture, where the network takes any size


class Wanted(NamedTuple):
    """Which detections are asked for; see ``Predictor.predict``."""

    conf: float
    iou: float
    limit: int
    labels: list[int] | None


class Found(NamedTuple):
    """What was found in a picture.

    Args:
        detections: boxes in the picture's pixels.
        network_s: seconds the network took for the whole batch.
        postprocess_s: seconds for this picture alone.
        batch: pictures the network was given together.
    """

    detections: Detections
    network_s: float
    postprocess_s: float
    batch: int


@dataclass(slots=True, eq=False)
class _Job:
    pixels: NDArray[np.uint8]
    letterbox: Letterbox
    wanted: Wanted
    future: Future[Found] = field(default_factory=Future)


class NetworkThread:
    """Runs a model's network; close it at the end.

    Args:
        predictor: the model; nobody else runs it.
        batch: pictures at a time, at most.
        patience_s: how long a picture waits for others that are coming, seconds.
        observe: told the size of each batch, in this thread.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        batch: int = 8,
        patience_s: float = 0.0,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self.predictor = predictor
        self._most, self._patience_s = batch, patience_s
        self._observe = observe or (lambda size: None)
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._coming = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that wait for the network."""
        return len(self._jobs)

    @property
    def alive(self) -> bool:
        """Whether pictures are still taken."""
        return self._thread.is_alive() and not self._closed

    @contextmanager
    def coming(self) -> Iterator[None]:
        """While a picture is being decoded that is going to be submitted."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify_all()

    def submit(
        self, pixels: NDArray[np.uint8], letterbox: Letterbox, wanted: Wanted
    ) -> Future[Found]:
        """Have a prepared picture looked at; a future that is cancelled in time costs nothing.

        Args:
            pixels: [H, W, 3] uint8 RGB, as ``prepare_image`` gives it.
            letterbox: where the picture lies in it.
            wanted: thresholds of this picture.

        Raises:
            RuntimeError: closed.
        """
        job = _Job(pixels, letterbox, wanted)
        with self._changed:
            if self._closed:
                raise RuntimeError("the network has stopped")
            self._jobs.append(job)
            self._changed.notify_all()
        return job.future

    def warm_up(self) -> None:
        """Look at a grey picture, which loads what is loaded late.

        Raises:
            WeightsError: the network cannot be run.
        """
        blank = np.full((*(self.predictor.image_hw or _BLANK_HW), 3), 114, dtype=np.uint8)
        defaults = self.predictor.card.predict
        wanted = Wanted(0.25, defaults.iou_threshold, defaults.max_detections, None)
        self.submit(*prepare_image(blank, self.predictor.image_hw), wanted).result()

    def close(self) -> None:
        """Look at what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            jobs = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._observe(len(jobs))
                self._answer(jobs)

    def _next(self) -> list[_Job]:
        """The jobs of the next step, all of one overlap; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return []
            batch = [self._jobs.popleft()]
            until = time.monotonic() + self._patience_s
            while self._joined(batch) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return batch

    def _joined(self, batch: list[_Job]) -> bool:
        """Add what waits to a batch; whether it is worth waiting for more."""
        while self._jobs and len(batch) < self._most:
            if self._jobs[0].wanted.iou != batch[0].wanted.iou:  # some networks suppress by it
                return False
            batch.append(self._jobs.popleft())
        return len(batch) < self._most and self._coming > 0 and not self._closed

    def _answer(self, jobs: Sequence[_Job]) -> None:
        try:
            found = self._detect(jobs)
        except Exception as error:  # whoever asked is told
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:  # one picture must not cost the others theirs
                self._answer([job])
            return
        for job, each in zip(jobs, found, strict=True):
            job.future.set_result(each)

    def _detect(self, jobs: Sequence[_Job]) -> list[Found]:
        began = time.perf_counter()
        decoded = require_numbers(
            self.predictor.backend(
                together([job.pixels for job in jobs]),
                score_threshold=min(job.wanted.conf for job in jobs),
                iou_threshold=jobs[0].wanted.iou,
            )
        )
        network_s = time.perf_counter() - began
        return [
            _selected(
                DecodedArrays(
                    decoded.boxes[place : place + 1],
                    decoded.scores[place : place + 1],
                    decoded.one_to_one,
                ),
                job,
                network_s,
                len(jobs),
            )
            for place, job in enumerate(jobs)
        ]


def _selected(own: DecodedArrays, job: _Job, network_s: float, batch: int) -> Found:
    """What a picture's own thresholds leave of its boxes [1, N, 4] and scores [1, N, C]."""
    began = time.perf_counter()
    (detections,) = select_detections(
        own,
        [job.letterbox],
        score_threshold=job.wanted.conf,
        iou_threshold=job.wanted.iou,
        max_detections=job.wanted.limit,
        labels=job.wanted.labels,
    )
    return Found(detections, network_s, time.perf_counter() - began, batch)
