"""Clients that are silent or slow, over real sockets: they lock nobody out, and are let go."""

from __future__ import annotations

import http.client
import json
import select
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import Held, Served, cells_picture, encoded, serving

from yolokit.inference.predictor import Predictor
from yolokit.serving.limits import Limits

PNG = encoded(cells_picture((1, 0, "red")))
HALF_A_HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"
MANY = 600


def head(path: str, length: int, method: str = "POST") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode()
    )


def opened(served: Served, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> tuple[int, http.client.HTTPMessage, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.headers, response.read()


def closed(connection: socket.socket) -> bool:
    """Whether the server closes it."""
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "said", [b"", HALF_A_HEAD, head("/v1/detect", 999) + b"x", head("/v1/films", 999) + b"x"]
)
def test_no_number_of_them_locks_anybody_out(predictor: Predictor, said: bytes) -> None:
    with serving(predictor, Limits(connections=64)) as running, ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(opened(running, said))
        assert running.get("/live").status == 200
        assert running.post("/v1/detect", PNG).status == 200


@pytest.mark.parametrize(
    "said", [head("/v1/detect", len(PNG)) + PNG[:-1], head("/v1/films", 999) + b"x" * 99]
)
def test_bodies_that_do_not_come_take_no_place(predictor: Predictor, said: bytes) -> None:
    with serving(predictor, Limits(queue=1, films=1)) as running, ExitStack() as stack:
        arriving = running.service.arriving, running.server.films.arriving
        for _ in range(20):
            stack.enter_context(opened(running, said))
        while sum(each.bodies for each in arriving) < 20:
            assert running.get("/live").status == 200
        assert running.post("/v1/detect", PNG).status == 200
        assert running.post("/v1/films", b"no film").kind == "film"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", None),
        (HALF_A_HEAD, 408),
        (head("/v1/detect", 999), 408),
        (head("/v1/films", 999) + b"x", 408),
    ],
)
def test_silence_ends(predictor: Predictor, said: bytes, status: int | None) -> None:
    with serving(predictor, Limits(silence_s=0.3)) as running, opened(running, said) as silent:
        if status is not None:
            got, headers, body = answer(silent)
            assert (got, json.loads(body)["error"]["kind"]) == (status, "late")
            assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert closed(silent)


@pytest.mark.parametrize("said", [HALF_A_HEAD, head("/v1/films", 10**6)])
def test_a_trickle_ends(predictor: Predictor, said: bytes) -> None:
    with serving(predictor, Limits(silence_s=0.3)) as running, opened(running, said) as slow:
        for _ in range(1000):
            slow.sendall(b"x")
            if select.select([slow], [], [], 0.02)[0]:
                break
        assert answer(slow)[0] == 408


def test_a_body_that_nobody_asked_for_ends(predictor: Predictor) -> None:
    with (
        serving(predictor, Limits(silence_s=0.3)) as running,
        opened(running, head("/live", 999, "GET")) as slow,
    ):
        assert answer(slow)[0] == 200
        assert closed(slow)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_refusal_reaches_a_client_that_is_still_sending(
    predictor: Predictor, connection: str
) -> None:
    body = b"x" * 30_000_000  # more than the buffers between hold
    with serving(predictor, Limits(picture_bytes=1000)) as running:
        for _ in range(3):
            refused = running.ask("POST", "/v1/detect", body, {"Connection": connection})
            assert (refused.status, refused.kind) == (413, "large")


def test_each_step_of_a_body_is_progress(predictor: Predictor) -> None:
    steps = 3
    with (
        serving(predictor) as running,
        opened(running, head("/v1/films", steps * 2**16)) as steady,
    ):
        since = 0.0
        for _ in range(steps - 1):
            steady.sendall(b"x" * 2**16)
            while (now := _sending_since(running)) <= since:
                assert running.get("/live").status == 200
            since = now
        steady.sendall(b"x" * 2**16)
        status, _, body = answer(steady)
        assert (status, json.loads(body)["error"]["kind"]) == (422, "film")


def _sending_since(served: Served) -> float:
    """When the one client that is sending a body made progress."""
    connections = list(served.server.server_state.connections)
    return max((each.since for each in connections if each.is_sending), default=0.0)  # type: ignore[union-attr]


def test_an_answer_that_is_not_read_ends(cells: Path) -> None:
    limits = Limits(unread_s=0.3)
    with serving(Predictor.load(cells), limits) as running, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(30)
        deaf.connect(("127.0.0.1", running.port))
        with pytest.raises(ConnectionError):
            for _ in range(100_000):  # until its answers fill all buffers
                deaf.sendall(head("/page.js", 0, "GET"))
        assert running.post("/v1/detect", PNG).status == 200


def test_a_request_under_way_is_never_given_up(cells: Path) -> None:
    held = Held(Predictor.load(cells))
    limits = Limits(connections=4, silence_s=0.3)
    with serving(Predictor(held, Predictor.load(cells).card), limits) as running:
        held.go.clear()
        held.began.clear()
        with opened(running, head("/v1/detect", len(PNG)) + PNG) as first:
            assert held.began.wait(30)
            for _ in range(20):
                with opened(running) as silent:
                    assert running.get("/live").status == 200
            with opened(running) as silent:
                assert closed(silent)  # as long as silence may last
            held.go.set()
            assert answer(first)[0] == 200


def test_all_that_arrives_is_bounded(predictor: Predictor) -> None:
    limits = Limits(picture_bytes=1000, arriving=2)
    said = head("/v1/detect", 1000) + b"x" * 900
    with serving(predictor, limits) as running, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(opened(running, said))
        while running.service.arriving.bodies < 2:
            assert running.get("/live").status == 200
        refused = running.post("/v1/detect", b"x" * 900)
        assert (refused.status, refused.kind, refused.headers["retry-after"]) == (503, "busy", "1")


@pytest.mark.parametrize(
    "said",
    [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"\x16\x03\x01\0\0\r\n\r\n"],
)
def test_what_is_no_request_is_told(served: Served, said: bytes) -> None:
    with opened(served) as odd:
        try:
            odd.sendall(said)
            status, headers, body = answer(odd)
        except ConnectionError:  # it was told before it had said all
            return
        assert (status, json.loads(body)["error"]["kind"]) == (400, "request")
        assert headers["X-Content-Type-Options"] == "nosniff"


UPGRADE = b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /v1/webcam HTTP/1.1\r\n" + UPGRADE, 400),
        (b"GET /v1/webcam HTTP/1.1\r\n" + UPGRADE + b"A: b\r\n" * 200, 431),
        (b"GET /v1/webcam HTTP/1.1\r\n" + UPGRADE + b"A: " + b"b" * 9000 + b"\r\n", 431),
        (b"POST /v1/webcam HTTP/1.1\r\nContent-Length: 0\r\n" + UPGRADE, 404),
    ],
)
def test_a_websocket_that_cannot_begin_ends(predictor: Predictor, said: bytes, status: int) -> None:
    with (
        serving(predictor, Limits(silence_s=0.3)) as running,
        opened(running, said + b"\r\n") as odd,
    ):
        assert answer(odd)[0] == status
        assert closed(odd)


def test_garbage_without_end_ends(predictor: Predictor) -> None:
    with serving(predictor, Limits(silence_s=0.3)) as running, opened(running) as odd:
        odd.sendall(b"hello\r\n\r\n")
        assert answer(odd)[0] == 400
        assert select.select([odd], [], [], 30)[0]
        with pytest.raises(ConnectionError):
            for _ in range(3000):
                odd.sendall(b"x")
                select.select([], [], [], 0.01)


def test_every_503_says_when_to_come_again(predictor: Predictor) -> None:
    with serving(predictor) as running:
        running.service.stopping = True
        for refused in (
            running.get("/ready"),
            running.post("/v1/detect", PNG),
            running.post("/v1/films", PNG),
        ):
            assert (refused.status, refused.kind) == (503, "busy")
            assert refused.headers["retry-after"] == "1"
