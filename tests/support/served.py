"""A server in a thread of the tests, and what a client of it needs."""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from exported_files import CELL, HW, make_card, write_onnx
from numpy.typing import NDArray
from PIL import Image

from yolokit.inference.predictor import Predictor
from yolokit.serving.app import build_app
from yolokit.serving.limits import Limits
from yolokit.serving.run import Server, address_of, open_socket
from yolokit.serving.service import Service

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Of an error."""
        return str(self.json["error"]["kind"])


class Served(NamedTuple):
    """A running server."""

    url: str
    port: int
    service: Service
    server: Server

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            held = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, held, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST; of a header's name ``_`` stands for ``-``."""
        return self.ask("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def get(self, path: str, **headers: str) -> Answer:
        """GET, likewise."""
        return self.ask("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})


class Held:
    """A model's backend that waits until it may go on."""

    def __init__(self, predictor: Predictor) -> None:
        self.go, self.began = threading.Event(), threading.Event()
        self._backend = predictor.backend
        self.device, self.description = self._backend.device, self._backend.description
        self.go.set()

    def to(self, device: str) -> None:
        """It stays."""

    def __call__(self, images, *, score_threshold=0.0, iou_threshold=None):  # type: ignore[no-untyped-def]
        self.began.set()
        assert self.go.wait(30)
        return self._backend(images, score_threshold=score_threshold, iou_threshold=iou_threshold)


@contextmanager
def serving(
    predictor: Predictor, limits: Limits | None = None, *, names: tuple[str, ...] = ()
) -> Iterator[Served]:
    """A server at a free port; at the end it has stopped."""
    ready = threading.Event()
    service = Service(predictor, "cells.onnx", limits)
    server = Server(build_app(service, names=names), service, lambda line: ready.set())
    with open_socket("127.0.0.1", 0) as opened:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        assert ready.wait(30)
        url = address_of(opened)
        try:
            yield Served(url, int(url.rpartition(":")[2]), service, server)
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()


def ended(served: Served, number: str) -> Answer:
    """The film's answer once it has ended."""
    tick = threading.Event()
    for _ in range(600):
        answer = served.get(f"/v1/films/{number}")
        if answer.json["state"] not in ("waiting", "running"):
            return answer
        tick.wait(0.05)
    raise AssertionError(answer.json)


def cells_model(path: Path) -> Path:
    """A network that takes any number of pictures: boxes are cells, scores are their colours."""
    return write_onnx(path, make_card(dynamic=True))


def cells_picture(*cells: tuple[int, int, str]) -> NDArray[np.uint8]:
    """[64, 96, 3]: black but for cells of a colour, at (column, row)."""
    image = np.zeros((*HW, 3), dtype=np.uint8)
    for column, row, colour in cells:
        x, y = column * CELL, row * CELL
        image[y : y + CELL, x : x + CELL] = COLOURS[colour]
    return image


def encoded(image: NDArray[np.uint8], format: str = "PNG") -> bytes:
    """The picture's file."""
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, format=format)
    return stored.getvalue()


def form(data: bytes, name: str = "a.png") -> tuple[bytes, str]:
    """A form that holds a file, and the type of its content."""
    head = f'--xyz\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--xyz--\r\n", "multipart/form-data; boundary=xyz"
