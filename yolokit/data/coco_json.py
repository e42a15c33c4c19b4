"""A COCO file's JSON, read in pieces: a million annotations never stand in memory as objects.

The standard library's scanner decodes every value; only the outermost object and the lists in it
are walked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolokit.errors import DataError

_CHUNK = 4096  # entries of a list decoded at a time
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_SPACE = re.compile(r"[ \t\n\r]*")


def read_text(path: Path, what: str = "annotation file") -> str:
    """A JSON file's text: UTF-8, or UTF-16 or 32, with or without a byte order mark.

    Args:
        path: the file.
        what: it is, for an error.

    Raises:
        DataError: no such file, unreadable, or in another encoding.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"no {what} at {path}. Check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {what} {path}: {reason}. Check the path") from error
    for start, kind in _PACKED.items():
        if data.startswith(start):
            raise DataError(f"{path} is a {kind} file, not JSON. Unpack it first")
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON: {error}. Save it as UTF-8, or export it anew"
        ) from error


def require_json(text: str, path: Path) -> None:
    """Refuse by name what is often found in the place of a JSON file.

    Raises:
        DataError: an empty file, a web page, a pointer of Git LFS.
    """
    head = text[:200].lstrip().lower()
    if not head:
        raise DataError(f"{path} is empty. Export the annotations anew")
    if head.startswith("<"):
        raise DataError(f"{path} is a web page or XML, not JSON. Download the file itself")
    if head.startswith("version https://git-lfs"):
        raise DataError(f"{path} is a pointer of Git LFS, not the file. Run: git lfs pull")


class JsonWalk:
    """Walks the outermost object of a JSON text, list by list.

    Args:
        text: the whole file.

    Every method raises ValueError or RecursionError where the text is not JSON.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; the caller takes each value in turn."""
        self._take("{")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            if self.peek() != '"':
                raise json.JSONDecodeError("Expecting a key in quotes", self.text, self.at)
            key = self.value()
            self._take(":")
            yield key
            if not self._goes_on("}"):
                return

    def value(self) -> Any:
        """The value that begins here, decoded."""
        self.peek()
        value, self.at = self._decode(self.text, self.at)
        return value

    def entries(self) -> Iterator[list[Any]]:
        """The entries of the list that begins here, a few thousand at a time."""
        self._take("[")
        if self.peek() == "]":
            self.at += 1
            return
        chunk: list[Any] = []
        while True:
            chunk.append(self.value())
            more = self._goes_on("]")
            if len(chunk) == _CHUNK or not more:
                yield chunk
                chunk = []
            if not more:
                return

    def end(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            raise json.JSONDecodeError("Extra data", self.text, self.at)

    def _take(self, char: str) -> None:
        if self.peek() != char:
            raise json.JSONDecodeError(f"Expecting {char!r}", self.text, self.at)
        self.at += 1

    def _goes_on(self, closing: str) -> bool:
        found = self.peek()
        if found not in (",", closing) or not found:
            raise json.JSONDecodeError(f"Expecting ',' or {closing!r}", self.text, self.at)
        self.at += 1
        return found == ","
