"""Connections whose clients keep a server waiting: they are closed, the slowest first.

A client makes progress with a whole request head, with each further 64 KB of a body, and with
reading what it is answered. One that makes none for a while is answered 408 where it can still be
told, and its connection is closed. Where all connections are taken, a newcomer gets the place of
the one that has waited longest for its client, so that no number of them locks anybody out.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from yolokit.serving.limits import Limits
from yolokit.serving.policy import HEADERS
from yolokit.serving.refusal import error_body

_STEP = 2**16  # bytes of a body that count as progress
_CAN_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)  # states of ours in which nothing is answered yet
_CLIENTS_TURN = (h11.IDLE, h11.SEND_BODY)  # states of a client that has to send something
_NO_REQUEST = "this is no HTTP request, or one whose head is too long"


class _Reader:
    """Whether a client reads what it is sent."""

    limits: Limits
    transport: asyncio.Transport

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.since = asyncio.get_running_loop().time()  # seconds, when it last made progress
        self._unsent = 0

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn, to send or to read."""
        return not self.transport.is_closing() and self.transport.get_write_buffer_size() > 0

    def give_up(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """Close the connection where its client has made no progress for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self.since = now
        self._unsent = unsent
        if now - self.since > self.limits.unread_s:
            self.transport.abort()


class WebSocket(_Reader, WebSocketsSansIOProtocol):
    """A WebSocket that is closed where its client does not read."""

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn, to read or to say goodbye."""
        return super().waits or (self.close_sent and not self.transport.is_closing())

    def data_received(self, data: bytes) -> None:
        """Close what cannot begin, which uvicorn would hold for ever."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()


class _Lingering:
    """A transport that is not closed under a client that is still sending.

    The system would answer what comes then with a reset, at which clients (nginx among them) throw
    away the answer that they were sent: they are told that it has ended, and read to their end.
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self.closed_at_once = transport
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.closed_at_once, name)

    def close(self) -> None:
        """Say that the answer has ended; close where it is called again, or nothing is to come."""
        connection, transport = self._connection, self.closed_at_once
        if connection.lingers or not connection.is_sending or transport.is_closing():
            transport.close()
        else:
            connection.lingers = True
            with suppress(OSError):  # a client that has just gone
                transport.write_eof()
            connection.flow.resume_reading()


class Connection(_Reader, H11Protocol):
    """An HTTP connection that is closed where its client is silent, or too slow.

    Attributes:
        lingers: what it has to say is said: whatever comes is thrown away.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._come = 0  # bytes since the last progress
        self.lingers = False

    @property
    def is_sending(self) -> bool:
        """Whether more is to come of a request, or of what is none."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn, to send or to read."""
        if self.transport.is_closing():
            return False
        answered = self.cycle is not None and self.cycle.response_complete
        sends = self.conn.their_state in _CLIENTS_TURN and not self.flow.read_paused
        return answered or sends or self.lingers or super().waits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the place of the slowest, where all are taken."""
        super().connection_made(cast("asyncio.Transport", _Lingering(transport, self)))
        if len(self.connections) > self.limits.connections:
            others: list[object] = [each for each in self.connections if each is not self]
            waiting = [each for each in others if isinstance(each, _Reader) and each.waits]
            if waiting:
                min(waiting, key=lambda each: each.since).give_up()

    def data_received(self, data: bytes) -> None:
        """Note progress."""
        before = self.conn.their_state
        if self.lingers:
            self._note(len(data), False)
            return
        if self._come == 0:  # the first byte of a request, after whatever silence
            self.since = self.loop.time()
        super().data_received(data)
        self._note(len(data), self.conn.their_state is not before)

    def _note(self, size: int, progress: bool) -> None:
        self._come += size
        if progress or self._come >= _STEP:
            self.since, self._come = self.loop.time(), 0

    def shutdown(self) -> None:
        """The server ends: whoever was told nothing more is coming is not waited for."""
        super().shutdown()
        if self.lingers:
            self._plain.close()

    def _should_upgrade(self) -> bool:
        return self.scope["method"] == "GET" and super()._should_upgrade()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on it is another's."""
        self.transport = self._plain
        super().handle_websocket_upgrade(event)

    @property
    def _plain(self) -> asyncio.Transport:
        return cast("_Lingering", self.transport).closed_at_once

    def on_response_complete(self) -> None:
        """The client's turn begins."""
        self.since, self._come = self.loop.time(), 0
        super().on_response_complete()

    def check(self, now: float) -> None:
        """Close the connection where its client has made no progress for too long."""
        if self.transport.get_write_buffer_size() or self.transport.is_closing():
            super().check(now)
        elif not self.waits:
            self.since = now
        elif now - self.since > self.limits.silence_s:
            self.give_up()

    def give_up(self) -> None:
        """Tell the client why if it can be told, and close."""
        begun = self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]
        if self.lingers or self.transport.get_write_buffer_size():
            self.transport.abort()
        elif begun and self.conn.our_state in _CAN_ANSWER:
            late = f"the request did not arrive: {self.limits.silence_s:g} seconds without progress"
            self._answer(408, "late", late)
        self._plain.close()

    def send_400_response(self, msg: str) -> None:
        """In the place of uvicorn's, in our form."""
        del msg
        if self.conn.our_state in _CAN_ANSWER:
            self._answer(400, "request", _NO_REQUEST)
        self.transport.close()

    def _answer(self, status: int, kind: str, message: str) -> None:
        if self.cycle is not None:  # whose answer it is
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = error_body(kind, message)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **HEADERS,
        }
        reason = HTTPStatus(status).phrase.encode()
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        head = h11.Response(status_code=status, headers=raw, reason=reason)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


def within(limits: Limits) -> tuple[type[Connection], type[WebSocket]]:
    """The two kinds of connection, of a server with these limits."""
    most = min(limits.connections, _most_files() // 2)
    held = {"limits": replace(limits, connections=most)}
    return type("_Connection", (Connection,), held), type("_WebSocket", (WebSocket,), held)


def sweep(connections: Iterable[object], now: float) -> None:
    """Look at all connections; ``now`` is a time of the event loop, seconds."""
    for each in list(connections):
        if isinstance(each, _Reader):
            each.check(now)


def _most_files() -> int:
    """How many files and connections this process may have open."""
    if sys.platform == "win32":
        return 2**31
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
