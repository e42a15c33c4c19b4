"""Frames of a webcam over a WebSocket: the newest is looked at, late ones are dropped.

A client sends each frame as an encoded picture and gets a ``FrameOut`` for each that was looked
at. What arrives while the network is busy takes the place of what waits, so that nothing queues.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from yolokit.serving.answers import detections_out
from yolokit.serving.network import Wanted
from yolokit.serving.refusal import RefusedError, in_time
from yolokit.serving.schemas import Asked, ErrorOut, FrameOut, Problem
from yolokit.serving.service import Service

_TRY_LATER, _POLICY, _KIND = 1013, 1008, 1003  # codes of RFC 6455 and its registry


class _Newest:
    """Holds one frame."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._frame: tuple[int, bytes] | None = None
        self._ended = False
        self.problem: Problem | None = None

    def put(self, number: int, data: bytes) -> None:
        """In the place of one that waits."""
        self._frame = (number, data)
        self._changed.set()

    def end(self, problem: Problem | None = None) -> None:
        """No more come; the client is told of a problem."""
        self._ended, self.problem = True, problem
        self._changed.set()

    async def get(self) -> tuple[int, bytes] | None:
        """The newest, once; None at the end."""
        await self._changed.wait()
        self._changed.clear()
        if self._ended:
            return None
        frame, self._frame = self._frame, None
        return frame


class Cameras(NamedTuple):
    """Answers webcams.

    Args:
        service: looks at frames.
        watched: one entry for each that is connected.
    """

    service: Service
    watched: set[WebSocket]

    async def watch(self, socket: WebSocket) -> None:
        """Answer one until it goes; settings are those of ``Asked``, in the query."""
        limits = self.service.limits
        await socket.accept()
        if self.service.stopping or len(self.watched) >= limits.cameras:
            what = f"{len(self.watched)} webcams are watched, as many as are taken"
            await _refuse(socket, Problem(kind="busy", message=what), _TRY_LATER)
            return
        try:
            wanted = self.service.wanted(Asked.model_validate(dict(socket.query_params)))
        except (ValidationError, RefusedError) as error:
            await _refuse(socket, Problem(kind="settings", message=_reason(error)), _POLICY)
            return
        self.watched.add(socket)
        newest = _Newest()
        silence_s = max(limits.frame_s, 2 * limits.deadline_s)  # it may wait for an answer
        reading = asyncio.create_task(_read(socket, newest, silence_s))
        try:
            while (frame := await newest.get()) is not None:
                await self._answer(socket, *frame, wanted)
            if newest.problem is not None:
                await _refuse(socket, newest.problem, _KIND)
        except WebSocketDisconnect:
            pass
        finally:
            self.watched.discard(socket)
            reading.cancel()

    async def _answer(self, socket: WebSocket, number: int, data: bytes, wanted: Wanted) -> None:
        out: FrameOut | ErrorOut
        deadline_s = self.service.limits.deadline_s
        late = f"no answer within {deadline_s:g} seconds"
        try:
            if len(data) > self.service.limits.picture_bytes:
                raise RefusedError(413, "large", "the frame is too large. Send a smaller one")
            with self.service.place(), in_time(deadline_s, 504, late):
                looked = await self.service.look(data, wanted)
            height, width = looked.image_hw
            found = detections_out(looked.detections, self.service.predictor)
            out = FrameOut(frame=number, width=width, height=height, detections=found)
        except RefusedError as error:
            self.service.metrics.failed(error.kind)
            out = ErrorOut(error=Problem(kind=error.kind, message=str(error)))
        if socket.client_state is WebSocketState.CONNECTED:
            await socket.send_text(out.model_dump_json())


async def _read(socket: WebSocket, newest: _Newest, silence_s: float) -> None:
    number = 0
    try:
        while True:
            with in_time(silence_s, 408, f"no frame came for {silence_s:g} seconds"):
                newest.put(number, await socket.receive_bytes())
            number += 1
    except (WebSocketDisconnect, RuntimeError):  # gone
        newest.end()
    except KeyError:
        newest.end(Problem(kind="frame", message="a frame is a message of bytes, not of text"))
    except RefusedError as error:
        newest.end(Problem(kind=error.kind, message=str(error)))


async def _refuse(socket: WebSocket, problem: Problem, code: int) -> None:
    await socket.send_text(ErrorOut(error=problem).model_dump_json())
    await socket.close(code)


def _reason(error: ValidationError | RefusedError) -> str:
    if isinstance(error, RefusedError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
