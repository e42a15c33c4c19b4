"""What stands before every route: who may ask, what browsers may do with an answer, and counting.

A page of a stranger must not use the server through a visitor's browser. Its requests carry an
Origin that is not ours; and where its name was made to point to this machine (DNS rebinding), a
Host that nobody gave us. Addresses of digits cannot be rebound.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yolokit.serving.metrics import Metrics

_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


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
        problem = self._problem(scope)
        if scope["type"] == "websocket":
            await (_close(send) if problem else self._app(scope, receive, send))
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                self._metrics.answered(_route(scope), message["status"])
            await send(message)

        if problem:
            self._metrics.failed("origin")
            await _refuse(guarded, problem)
        else:
            await self._app(scope, receive, guarded)

    def _problem(self, scope: Scope) -> str | None:
        """Why a request is not served, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(_name_of(f"//{host}")):
            return (
                f"this server is not known as {host!r}. Ask it by its address, or start it with "
                "--allow-host NAME"
            )
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return None
        origin = headers.get("origin")
        if origin is None:  # no browser
            return None
        if urlsplit(origin).netloc == host or _name_of(origin) in self._names:
            return None
        return f"pages of {origin!r} may not use this server"

    def _is_ours(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name_of(address: str) -> str:
    """The host that an address names, without its port; empty where there is none."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


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
