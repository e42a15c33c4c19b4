"""A request that gets no detections: its HTTP status, its kind for counting, and words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from yolokit.errors import YolokitError

RETRY_AFTER_S = 1  # what a client is asked to wait where all places are taken


class RefusedError(YolokitError):
    """The answer to a request that cannot be served.

    Args:
        status: of HTTP.
        kind: one word for programs: ``busy``, ``late``, ``large``, ``picture``, …
        message: what is wrong and what to do, for people.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


def error_body(kind: str, message: str) -> bytes:
    """The body of every refusal, an ``ErrorOut``."""
    said = {"error": {"kind": kind, "message": message}}
    return json.dumps(said, ensure_ascii=False).encode(errors="replace")


def busy(what: str) -> RefusedError:
    """All places are taken."""
    return RefusedError(503, "busy", f"{what}. Try again in a moment")


def too_large(what: str, limit: str) -> RefusedError:
    """More bytes, pixels or frames than are taken."""
    return RefusedError(
        413, "large", f"{what}, more than the {limit} that are taken. Send a smaller one"
    )


@contextmanager
def in_time(seconds: float, status: int, message: str) -> Iterator[None]:
    """Refuse what takes too long.

    Raises:
        RefusedError: with the status.
    """
    try:
        with anyio.fail_after(max(seconds, 0.0)):
            yield
    except TimeoutError as error:
        raise RefusedError(status, "late", message) from error
