"""A webcam over a WebSocket: answers, the newest frame, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from served import Held, Served, cells_picture, encoded, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from yolokit.inference.predictor import Predictor
from yolokit.serving.limits import Limits

FRAMES = [encoded(cells_picture((column, 0, "red")), "PNG") for column in range(6)]


def opened(served: Served, query: str = "", **settings: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{served.port}/v1/webcam{query}", **settings)


def test_each_frame_is_answered(served: Served) -> None:
    with opened(served) as camera:
        for number, frame in enumerate(FRAMES[:3]):
            camera.send(frame)
            answer = json.loads(camera.recv(30))
            assert (answer["frame"], answer["width"], answer["height"]) == (number, 96, 64)
            assert answer["detections"][0]["box_xywh"] == [16 * number, 0, 16, 16]


def test_the_newest_frame_wins(cells: Path) -> None:
    held = Held(Predictor.load(cells))
    predictor = Predictor(held, Predictor.load(cells).card)
    with serving(predictor) as running, opened(running) as camera:
        held.go.clear()
        held.began.clear()
        camera.send(FRAMES[0])
        assert held.began.wait(30)  # the network is busy with the first
        for frame in FRAMES[1:]:
            camera.send(frame)
        camera.ping().wait(30)  # all have arrived
        held.go.set()
        answers = [json.loads(camera.recv(30))["frame"] for _ in range(2)]
    assert answers == [0, 5]


def test_a_frame_that_is_no_picture_is_told(served: Served) -> None:
    with opened(served) as camera:
        camera.send(b"nothing")
        assert json.loads(camera.recv(30))["error"]["kind"] == "picture"
        camera.send(FRAMES[0])
        assert json.loads(camera.recv(30))["frame"] == 1


def test_settings_are_those_of_detect(served: Served) -> None:
    with opened(served, "?classes=green") as camera:
        camera.send(FRAMES[0])
        assert json.loads(camera.recv(30))["detections"] == []
    with opened(served, "?conf=3") as camera:
        assert json.loads(camera.recv(30))["error"]["kind"] == "settings"
        with pytest.raises(ConnectionClosed):
            camera.recv(30)


def test_no_more_webcams_than_are_taken(predictor: Predictor) -> None:
    with serving(predictor, Limits(cameras=1)) as small, opened(small) as first:
        first.send(FRAMES[0])
        first.recv(30)
        with opened(small) as second:
            assert json.loads(second.recv(30))["error"]["kind"] == "busy"


def test_a_webcam_that_shows_nothing_gives_its_place_back(predictor: Predictor) -> None:
    limits = Limits(cameras=1, frame_s=0.2, deadline_s=0.1)
    with serving(predictor, limits) as small, opened(small) as silent:
        assert json.loads(silent.recv(30))["error"]["kind"] == "late"
        with pytest.raises(ConnectionClosed):
            silent.recv(30)
        with opened(small, "?conf=3") as second:
            assert json.loads(second.recv(30))["error"]["kind"] == "settings"  # not busy


def test_text_is_no_frame(served: Served) -> None:
    with opened(served) as camera:
        camera.send("hello")
        assert json.loads(camera.recv(30))["error"]["kind"] == "frame"
        with pytest.raises(ConnectionClosed):
            camera.recv(30)


def test_pages_of_others_may_not_watch(served: Served) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        opened(served, origin="https://evil.example")
    with opened(served, origin=served.url) as camera:  # type: ignore[arg-type]
        camera.send(FRAMES[0])
        assert "detections" in json.loads(camera.recv(30))
