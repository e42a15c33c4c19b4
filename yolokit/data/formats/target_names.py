"""Names that pictures get in a converted set: the ones they have, where those will do."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from yolokit.data.formats.picture_files import SUFFIXES
from yolokit.data.images import picture_format

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_TOP = "images"  # a folder that begins every name of some tools


class TargetNames:
    """Gives each picture a name of its own: relative, below its folder, with a picture's suffix.

    Args:
        by_stem: pictures may not differ by their suffix alone, for labels are found by the rest.
    """

    def __init__(self, *, by_stem: bool) -> None:
        self._by_stem = by_stem
        self._taken: set[str] = set()

    def of(self, name: str, source: Path) -> str:
        """The name of a picture that is called ``name`` and lies at ``source``."""
        path = self._sound(name, source)
        number = 2
        wanted = path
        while (key := self._key(path)) in self._taken:
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
            number += 1
        self._taken.add(key)
        return path.as_posix()

    def _key(self, path: PurePosixPath) -> str:
        # casefold: some file systems hold no two names that differ by it
        return (path.with_suffix("") if self._by_stem else path).as_posix().casefold()

    def _sound(self, name: str, source: Path) -> PurePosixPath:
        plain = _CONTROLS.sub("_", _DRIVE.sub("", name))
        parts = [part.strip() for part in plain.split("/")]
        parts = [part for part in parts if part not in ("", ".", "..")]
        if len(parts) > 1 and parts[0] == _TOP:
            parts = parts[1:]
        parts = [f"_{part}" if part.startswith(".") else part for part in parts] or ["picture"]
        path = PurePosixPath(*parts)
        if path.suffix.lower() in SUFFIXES:
            return path
        kind = (picture_format(source) or "jpg").lower()
        suffix = f".{kind}" if f".{kind}" in SUFFIXES else ".jpg"
        return path.with_name(path.name + suffix)
