"""The server's process: its socket, its signals, its end.

The first SIGINT, SIGTERM or SIGHUP closes the door: what is under way is finished. A second one
ends the process where it stands.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from yolokit.errors import ConfigError
from yolokit.serving.connections import sweep, within
from yolokit.serving.films import Films
from yolokit.serving.service import Service
from yolokit.signals import STOP_SIGNALS

_KEEP_ALIVE_S = 15  # between two requests of a connection
_GRACE_S = 5  # beyond the deadline of requests, until those that are under way are given up


def open_socket(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet, so that nobody waits while a model is loaded.

    Args:
        host: an address of this machine, or a name of it.
        port: 0 takes any that is free.

    Raises:
        ConfigError: taken, not allowed, or no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"no address {host!r} on this machine. Try --host 127.0.0.1") from error
    try:
        if sys.platform != "win32":  # there it would share another's port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise ConfigError(
            f"cannot serve at {host} port {port}: {error.strerror}. Give another --port, or 0 for "
            "any that is free"
        ) from error
    return opened


def address_of(opened: socket.socket) -> str:
    """The http address of a bound socket; of one for all addresses, this machine's own."""
    host, port = opened.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Answers signals as the rest of the program does, and says when it can be asked.

    Args:
        app: made by ``build_app``.
        service: of that app.
        say: one line for people.
    """

    def __init__(self, app: FastAPI, service: Service, say: Callable[[str], None]) -> None:
        http, web_socket = within(service.limits)
        super().__init__(
            uvicorn.Config(
                app,
                http=http,
                ws=web_socket,
                ws_max_size=service.limits.picture_bytes,
                lifespan="on",
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(service.limits.deadline_s) + _GRACE_S,
            )
        )
        self.number: int | None = None  # of the signal that asked to stop
        self._service, self._say = service, say
        self.films: Films = app.state.films

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if sockets and self.started:
            self._say(f"serving {self._service.name} at {address_of(sockets[0])} (Ctrl-C ends it)")

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        sweep(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """In the place of uvicorn's, which would end the process by the signal itself."""
        if threading.current_thread() is not threading.main_thread():  # no signals come here
            yield
            return
        before = {
            number: signal.signal(number, self._answer)
            for number in STOP_SIGNALS
            if signal.getsignal(number) != signal.SIG_IGN  # nohup
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Refuse what comes, finish what is under way, and return from ``run``."""
        self._service.stopping = True
        self.should_exit = True

    def _answer(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            self.films.remove_files()
            with suppress(OSError):  # a terminal that is gone
                os.write(2, b"stopped\n")
            os._exit(128 + number)
        self.number = number
        self.stop()
        with suppress(OSError):
            os.write(2, b"stopping: finishing what is under way, again to end at once\n")
