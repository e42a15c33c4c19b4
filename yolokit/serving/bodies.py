"""Read what a client sends: counted as it comes, in a body of its own or as a part of a form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from yolokit.serving.refusal import RefusedError, busy, too_large

_MOST_PARTS = 8  # of a form
_STEP = 2**20  # bytes that are copied at a time
_EMPTY = "nothing was sent. Send a file as the body, or as a part of a form"


class Arriving:
    """Bytes of all bodies that are being read: bounded over all clients, so that slow ones cost
    the others no place.

    Args:
        most: bytes at a time.

    Attributes:
        bodies: that are being read.
    """

    def __init__(self, most: int) -> None:
        self.bodies = 0
        self._most, self._bytes = most, 0

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """One body; call what is given with the bytes of each piece.

        Raises:
            RefusedError: by the call: too many bytes are arriving.
        """
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._bytes + size > self._most:
                raise busy(f"{_mb(self._bytes)} MB are arriving, as much as is taken")
            held += size
            self._bytes += size

        self.bodies += 1
        try:
            yield take
        finally:
            self.bodies -= 1
            self._bytes -= held


async def read_picture(request: Request, most: int, arriving: Arriving) -> bytes:
    """The file of a request, in memory.

    Args:
        request: with the file as its body, or multipart with one file among its parts.
        most: bytes of the body.
        arriving: counts it among the others.

    Raises:
        RefusedError: more bytes, none, no well-formed form, or too many bodies at a time.
    """
    async with _sent(request, most, arriving) as (body, part):
        data = await body.body() if part is None else await part.read()
    if not data:
        raise RefusedError(422, "empty", _EMPTY)
    return data


async def store_film(request: Request, most: int, arriving: Arriving, path: Path) -> str | None:
    """Write the file of a request to the disk as it comes.

    Args:
        request, most, arriving: as for ``read_picture``.
        path: where to; a file that is refused may be left there.

    Returns:
        What the client calls it, where it says so.

    Raises:
        RefusedError: as ``read_picture``.
    """
    with path.open("wb") as file:
        async with _sent(request, most, arriving) as (body, part):
            if part is None:
                async for chunk in body.stream():
                    file.write(chunk)
            else:
                await anyio.to_thread.run_sync(_copy, part.file, file)
            name = None if part is None else part.filename
        if file.tell() == 0:
            raise RefusedError(422, "empty", _EMPTY)
    return name


@asynccontextmanager
async def _sent(
    request: Request, most: int, arriving: Arriving
) -> AsyncIterator[tuple[Request, UploadFile | None]]:
    """The request whose bytes are counted, and the file in its form if it is one."""
    require = _declared(request, most)
    with arriving.body() as take:
        async with _opened(Request(request.scope, _counted(request.receive, require, take))) as it:
            yield it


@asynccontextmanager
async def _opened(body: Request) -> AsyncIterator[tuple[Request, UploadFile | None]]:
    if not body.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        yield body, None
        return
    try:
        form = await body.form(max_files=1, max_fields=_MOST_PARTS)
    except HTTPException as error:
        raise RefusedError(400, "form", f"the form cannot be read: {error.detail}") from error
    try:
        files = [part for part in form.values() if isinstance(part, UploadFile)]
        if not files:
            raise RefusedError(422, "empty", "the form holds no file. Send one, of any name")
        yield body, files[0]
    finally:
        await form.close()


def _declared(request: Request, most: int) -> Callable[[int], None]:
    """Refuse a body that says itself that it is too large; then count what really comes."""

    def require(size: int) -> None:
        if size > most:
            raise too_large(f"the request has {_mb(size)} MB", f"{_mb(most)} MB")

    length = request.headers.get("content-length", "")
    if length.isdecimal():
        require(int(length))
    return require


def _counted(
    receive: Receive, require: Callable[[int], None], take: Callable[[int], None]
) -> Receive:
    come = 0

    async def counted() -> Message:
        nonlocal come
        message = await receive()
        size = len(message.get("body", b""))
        come += size
        require(come)
        take(size)
        return message

    return counted


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(_STEP):
        target.write(chunk)


def _mb(size: int) -> str:
    return f"{size / 2**20:.3g}"
