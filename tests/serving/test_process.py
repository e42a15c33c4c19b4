"""``yolokit serve`` as a process: how it starts, that it needs no torch, and how it ends."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import cells_picture, encoded

from yolokit.cli.main import main

PNG = encoded(cells_picture((1, 0, "red")))
# A process that cannot import what exported models must not need.
CODE = """
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "lightning", "albumentations"):
            raise AssertionError(f"{name} is imported")
sys.meta_path.insert(0, Forbid())
from yolokit.__main__ import run
sys.argv[0] = "yolokit"
sys.exit(run())
"""


@contextmanager
def started(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that serves, and its port."""
    command = [sys.executable, "-c", CODE, "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"serving \S+/cells.onnx at http://127.0.0.1:(\d+) \(Ctrl-C ends it\)\n", line
        )
        assert found, (line, process.stderr and process.stderr.read())
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


def asked(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read()


def half_sent(port: int) -> socket.socket:
    """A connection on which the first half of a picture was sent, and was received."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST /v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(PNG)}\r\n\r\n"
    connection.sendall(head.encode() + PNG[:50])
    while b"yolokit_bodies_arriving 1.0" not in asked(port, "GET", "/metrics")[1]:
        threading.Event().wait(0.01)
    return connection


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_torch_and_a_signal_finishes_what_is_under_way(cells: Path, number: int) -> None:
    with started(cells) as (process, port), half_sent(port) as connection:
        assert process.stderr is not None
        process.send_signal(number)
        assert process.stderr.readline().startswith("stopping: finishing what is under way")
        with pytest.raises(ConnectionError):  # nothing new is taken, once the door is shut
            for _ in range(500):
                asked(port, "GET", "/live")
                threading.Event().wait(0.02)
        connection.sendall(PNG[50:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert b'"box_xywh":[16.0,0.0,16.0,16.0]' in answer.read()
        assert process.wait(30) == 128 + number


@pytest.mark.slow
def test_a_second_signal_ends_at_once(cells: Path) -> None:
    with started(cells) as (process, port), half_sent(port):
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "stopped\n"


def test_a_port_that_is_taken(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", str(cells), "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: cannot serve at 127.0.0.1 port {port}: Address already in use.")
    assert len(said.splitlines()) == 1


def test_an_address_that_is_not_of_this_machine(
    cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(cells), "--host", "192.0.2.1", "--port", "0"]) == 1
    assert "Give another" in capsys.readouterr().err


def test_another_address_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path / "no.onnx"), "--host", "0.0.0.0", "--port", "0"]) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: whoever reaches this machine at 0.0.0.0 may use the model")
    assert error.startswith("error: no model file")


def test_what_is_missing_is_named(
    cells: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from yolokit.cli import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "fastapi" else object())
    assert main(["serve", str(cells)]) == 1
    said = "error: yolokit serve needs fastapi, not installed here. pip install fastapi\n"
    assert capsys.readouterr().err == said
