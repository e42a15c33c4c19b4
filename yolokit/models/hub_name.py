"""The spelling of models on the Hugging Face hub where a model is wanted. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from yolokit.errors import HubError

PREFIX = "hf:"
_PART = re.compile(r"[\w.-]+", re.ASCII)


class HubName(NamedTuple):
    """A model on the hub.

    Args:
        repo: ``USER/NAME``.
        revision: a branch, tag or commit; None for the newest.
        path: of the model file, or of a folder with one; None for the only one there is.
    """

    repo: str
    revision: str | None
    path: str | None

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"{PREFIX}{self.repo}{revision}"


def hub_name(path: str | Path) -> HubName | None:
    """What ``hf:USER/NAME``, ``hf:USER/NAME@REVISION`` or ``hf:USER/NAME/FILE`` means.

    ``hf://`` is the same. A slash in a revision is written %2F.

    Returns:
        None for any other path.

    Raises:
        HubError: it begins like one, but is none.
    """
    text = str(path).replace("\\", "/")
    if not text.startswith(PREFIX):
        return None
    user, _, rest = text.removeprefix(PREFIX).lstrip("/").partition("/")
    named, _, file = rest.partition("/")
    name, at, revision = named.partition("@")
    if not (_PART.fullmatch(user) and _PART.fullmatch(name)) or (at and not revision):
        raise HubError(
            f"{text} names no model on the hub. Give {PREFIX}USER/NAME, with @REVISION behind it "
            "for a certain one"
        )
    return HubName(f"{user}/{name}", unquote(revision) or None, file.strip("/") or None)
