"""Read what a client sends: counted as it comes, in a body of its own or as a part of a form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from yolokit.serving.refusal import RefusedError, too_large

_MOST_PARTS = 8  # of a form
_STEP = 2**20  # bytes that are copied at a time
_EMPTY = "nothing was sent. Send a file as the body, or as a part of a form"


async def read_picture(request: Request, most: int) -> bytes:
    """The file of a request, in memory.

    Args:
        request: with the file as its body, or multipart with one file among its parts.
        most: bytes of the body.

    Raises:
        RefusedError: more bytes, none, or no well-formed form.
    """
    async with _sent(request, most) as (body, part):
        data = await body.body() if part is None else await part.read()
    if not data:
        raise RefusedError(422, "empty", _EMPTY)
    return data


async def store_film(request: Request, most: int, path: Path) -> str | None:
    """Write the file of a request to the disk as it comes.

    Args:
        request, most: as for ``read_picture``.
        path: where to; a file that is refused may be left there.

    Returns:
        What the client calls it, where it says so.

    Raises:
        RefusedError: as ``read_picture``.
    """
    with path.open("wb") as file:
        async with _sent(request, most) as (body, part):
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
async def _sent(request: Request, most: int) -> AsyncIterator[tuple[Request, UploadFile | None]]:
    """The request whose bytes are counted, and the file in its form if it is one."""
    body = Request(request.scope, _counted(request.receive, _declared(request, most), most))
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
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


def _counted(receive: Receive, require: Callable[[int], None], most: int) -> Receive:
    come = 0

    async def counted() -> Message:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > most:
            require(come)
        return message

    return counted


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(_STEP):
        target.write(chunk)


def _mb(size: int) -> str:
    return f"{size / 2**20:.3g}"
