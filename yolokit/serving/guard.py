"""What stands before every route: who may ask, what browsers are told, and counting."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yolokit.serving.metrics import Metrics
from yolokit.serving.policy import HEADERS, problem
from yolokit.serving.refusal import error_body

_STARTS = ("http.response.start", "websocket.http.response.start")


class Guard:
    """ASGI middleware around everything, so that answers to bugs pass it too.

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
        if scope["type"] == "http" and scope["method"] == "HEAD":  # the server sends no body
            scope = {**scope, "method": "GET"}

        async def guarded(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._metrics.answered(_route(scope), message["status"])
            await send(message)

        if refused:
            self._metrics.failed("origin")
            await _refuse(scope, guarded, refused)
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


async def _refuse(scope: Scope, send: Send, message: str) -> None:
    kind = "http" if scope["type"] == "http" else "websocket.http"
    headers = [(b"content-type", b"application/json")]
    await send({"type": f"{kind}.response.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": error_body("origin", message)})
