"""From an encoded picture to what was found in it, within the limits; what all routes share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from yolokit.data.prepare import prepare_image
from yolokit.drawing import draw_boxes
from yolokit.errors import ConfigError, ImageError, YolokitError
from yolokit.inference.classes import labels_of, split_classes
from yolokit.inference.predictor import Predictor
from yolokit.machine import usable_cpus
from yolokit.serving.bodies import Arriving
from yolokit.serving.limits import Limits
from yolokit.serving.metrics import Metrics
from yolokit.serving.network import Found, NetworkThread, Wanted
from yolokit.serving.pictures import decode_picture, encode_picture, orientation_of
from yolokit.serving.refusal import RefusedError, busy
from yolokit.serving.schemas import Asked
from yolokit.types import Detections, Letterbox

T = TypeVar("T")


class Prepared(NamedTuple):
    """A decoded picture at the network's input size.

    Args:
        pixels: [H, W, 3] uint8 RGB.
        letterbox: where the picture lies in it.
        orientation: of the file, 1 to 8, which was applied.
        decode_s, prepare_s: seconds.
    """

    pixels: NDArray[np.uint8]
    letterbox: Letterbox
    orientation: int
    decode_s: float
    prepare_s: float


class Looked(NamedTuple):
    """What was found in a picture, and the seconds of each part."""

    detections: Detections
    image_hw: tuple[int, int]
    orientation: int
    parts: dict[str, float]


class Service:
    """A model and what serves it; used from one event loop, close it at the end.

    Args:
        predictor: the model; its network runs in one thread of its own.
        name: of the model, for people.
        limits: what is taken on.

    Raises:
        WeightsError: the network cannot be run.
    """

    def __init__(self, predictor: Predictor, name: str, limits: Limits | None = None) -> None:
        self.predictor, self.name, self.limits = predictor, name, limits or Limits()
        self.metrics = Metrics()
        self.stopping = False
        self._taken = 0
        self.arriving = Arriving(self.limits.arriving * self.limits.picture_bytes)
        self.network = NetworkThread(
            predictor,
            batch=self.limits.batch,
            patience_s=self.limits.patience_s,
            observe=self.metrics.batch,
        )
        self._pool = ThreadPoolExecutor(max(2, usable_cpus()), thread_name_prefix="pictures")
        # Decoded pictures are large: no more of them than the network takes in two steps.
        self._decoded = asyncio.Semaphore(2 * self.limits.batch)
        self.metrics.watch("queue_length", "Pictures under way", lambda: self._taken)
        self.metrics.watch(
            "bodies_arriving", "Pictures that are being sent", lambda: self.arriving.bodies
        )
        self.metrics.watch(
            "network_waiting", "Pictures that wait for the network", lambda: self.network.waiting
        )
        self.network.warm_up()

    def require_ready(self) -> None:
        """Whether requests are taken.

        Raises:
            RefusedError: the server is about to end.
        """
        if self.stopping or not self.network.alive:
            raise busy("the server is about to end")

    def wanted(self, asked: Asked) -> Wanted:
        """What a request asks of the model.

        Raises:
            RefusedError: it knows no such class, or has NMS inside that cannot give that.
        """
        defaults, names = self.predictor.card.predict, self.predictor.class_names
        try:
            self.predictor.require_possible(
                conf=asked.conf, iou=asked.iou, max_detections=asked.max_objects
            )
            words = None if asked.classes is None else split_classes(asked.classes, names)
            labels = labels_of(words, names)
        except ConfigError as error:
            raise RefusedError(422, "settings", str(error)) from error
        iou = defaults.iou_threshold if asked.iou is None else asked.iou
        return Wanted(asked.conf, iou, asked.max_objects or defaults.max_detections, labels)

    def require_place(self) -> None:
        """Refuse at once what would find no place in the queue.

        Raises:
            RefusedError: all are taken, or the server is about to end.
        """
        self.require_ready()
        with self.place():
            pass

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places of the queue, for a picture that has arrived.

        Raises:
            RefusedError: all are taken.
        """
        if self._taken >= self.limits.queue:
            raise busy(f"{self._taken} requests are under way, as many as are taken")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def look(self, data: bytes, wanted: Wanted) -> Looked:
        """Detect in an encoded picture.

        Raises:
            RefusedError: no picture, or one that is too large.
        """
        async with self._decoded:
            with self.network.coming():
                prepared = await self.in_pool(lambda: self._prepare(data))
                began = time.perf_counter()
                future = self.network.submit(prepared.pixels, prepared.letterbox, wanted)
            found = await _answer(asyncio.wrap_future(future))
        waited = time.perf_counter() - began - found.network_s - found.postprocess_s
        parts = {
            "decode": prepared.decode_s,
            "prepare": prepared.prepare_s,
            "wait": max(waited, 0.0),
            "network": found.network_s,
            "postprocess": found.postprocess_s,
        }
        self.metrics.parts(parts)
        image_hw = prepared.letterbox.original_hw
        return Looked(found.detections, image_hw, prepared.orientation, parts)

    async def drawn(self, data: bytes, found: Detections, *, png: bool) -> tuple[bytes, str]:
        """The picture with its boxes as a file, and the type of its content."""

        def draw() -> tuple[bytes, str]:
            image = decode_picture(data, self.limits.picture_pixels)
            names = self.predictor.class_names
            drawn = draw_boxes(image, found.boxes, found.labels, names, found.scores)
            return encode_picture(drawn, png=png)

        async with self._decoded:
            return await self.in_pool(draw)

    async def in_pool(self, work: Callable[[], T]) -> T:
        """What is computed in a thread of a few that decode and draw."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Finish what waits for the network, and let the threads go."""
        self.stopping = True
        self.network.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, data: bytes) -> Prepared:
        began = time.perf_counter()
        image = decode_picture(data, self.limits.picture_pixels)
        orientation = orientation_of(data)
        decoded = time.perf_counter()
        pixels, letterbox = prepare_image(image, self.predictor.image_hw)
        prepare_s = time.perf_counter() - decoded
        return Prepared(pixels, letterbox, orientation, decoded - began, prepare_s)


async def _answer(future: asyncio.Future[Found]) -> Found:
    """The network's answer.

    Raises:
        RefusedError: it has none.
    """
    try:
        return await future
    except ImageError as error:
        raise RefusedError(422, "picture", str(error)) from error
    except YolokitError as error:
        raise RefusedError(500, "model", str(error)) from error
