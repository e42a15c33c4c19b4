"""What stands before every route: who may ask, what browsers are told, and counting."""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yolokit.serving.metrics import Metrics
from yolokit.serving.policy import HEADERS, problem


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        names: under which the server may be asked, beside addresses of digits and ``localhost``.
        metrics: counts answers.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str], metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._names = {name.lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = self._problem(scope)
        if scope["type"] == "websocket":
            await (_close(send) if refused else self._app(scope, receive, send))
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._metrics.answered(_route(scope), message["status"])
            await send(message)

        if refused:
            self._metrics.failed("origin")
            await _refuse(guarded, refused)
        else:
            await self._app(scope, receive, guarded)

    def _problem(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        return problem(
            host=headers.get("host", ""),
            origin=headers.get("origin"),
            method=scope["method"] if scope["type"] == "http" else "WEBSOCKET",
            names=self._names,
        )


def _route(scope: Scope) -> str:
    """The pattern of a path, of which there are few."""
    return str(getattr(scope.get("route"), "path", "other"))


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


async def _refuse(send: Send, message: str) -> None:
    body = json.dumps({"error": {"kind": "origin", "message": message}}).encode()
    kind = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 403, "headers": kind})
    await send({"type": "http.response.body", "body": body})
