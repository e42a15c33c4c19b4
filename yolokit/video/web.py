"""What an http address holds: one picture, a page, or something that FFmpeg opens."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from yolokit._version import __version__

_TIMEOUT_SECONDS = 10.0  # for an answer to begin, and between two parts of it
_MOST_BYTES = 2**28  # of an encoded picture


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Args:
        picture: the bytes of an encoded picture, or None.
        page: whether it is a page to read, which is neither picture nor stream.
    """

    picture: bytes | None = None
    page: bool = False


def ask(address: str) -> Answer:
    """Ask an http or https address what it is, by the kind of content that it states.

    A server that cannot be reached, or wants another kind of login, is left to FFmpeg: the answer
    is empty then, as it is for a stream or film.
    """
    try:
        with urlopen(_request(address), timeout=_TIMEOUT_SECONDS) as response:
            assert isinstance(response, HTTPResponse)
            kind = response.headers.get_content_maintype()
            if kind == "image":
                return Answer(picture=response.read(_MOST_BYTES))
            return Answer(page=response.headers.get_content_type() == "text/html")
    except (OSError, HTTPException, ValueError):
        return Answer()


def _request(address: str) -> Request:
    """With the login of the address in a header, where a server looks for it."""
    parts = urlsplit(address)
    login, at, host = parts.netloc.rpartition("@")
    headers = {"User-Agent": f"yolokit/{__version__}"}
    if at:
        word = base64.b64encode(unquote(login).encode()).decode()
        headers["Authorization"] = f"Basic {word}"
    return Request(urlunsplit(parts._replace(netloc=host)), headers=headers)
