"""File names in COCO files that are another computer's, found again among the pictures.

Label Studio writes the path or address that its server knows a picture by, with a hash before the
name of what was uploaded: ``images/1a2b3c4d-cat.jpg``, ``/data/upload/3/1a2b3c4d-my%20cat.jpg``,
``/data/local-files/?d=pets/cat.jpg``, ``../../media/upload/3/1a2b3c4d-cat.jpg``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from yolokit.data.coco_tree import CASES_KEPT, CocoTree, Fault

_ODD = re.compile(r"://|[%?]|^/|^[A-Za-z]:/|(^|/)\.\./")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's, before an uploaded file's name
_DEEPEST = 64  # folders of a name that are tried


def with_found_names(tree: CocoTree, folder: Path) -> CocoTree:
    """The tree with the names that its pictures have in a folder.

    Names are looked at where the first is not there, or any looks like an address. One is another
    picture's only where no other of the file is. What is not found stays as it is.

    Args:
        tree: as a COCO file has it.
        folder: of the pictures.
    """
    names = tree.file_names
    if not names or not folder.is_dir():
        return tree
    if _is_there(folder, names[0]) and not any(map(_ODD.search, names)):
        return tree
    found = [found_name(name, folder) or name for name in names]
    claims = Counter(found)
    kept = [new if claims[new] == 1 else old for old, new in zip(names, found, strict=True)]
    cases = [f"{old} is {new}" for old, new in zip(names, kept, strict=True) if old != new]
    if not cases:
        return tree
    fault = Fault(
        "renamed",
        "note",
        len(cases),
        f"{len(cases)} file names are another computer's",
        tuple(cases[:CASES_KEPT]),
        "The pictures are found by the end of them.",
    )
    return replace(tree, file_names=tuple(kept)).with_faults([fault])


def found_name(name: str, folder: Path) -> str | None:
    """A picture's name in a folder; None where none of the ways to read it is a file there."""
    return next((each for each in _candidates(name) if _is_there(folder, each)), None)


def _candidates(name: str) -> Iterator[str]:
    """Ways to read a name, the most literal first."""
    yield name
    path, _, query = name.partition("?")
    if query.startswith("d="):
        path = query.removeprefix("d=").partition("&")[0]
    parts = [part for part in unquote(path).replace("\\", "/").split("/") if part not in ("", ".")]
    for start in range(max(0, len(parts) - _DEEPEST), len(parts)):
        tail = parts[start:]
        if ".." in tail:
            continue
        stripped = [*tail[:-1], _UPLOADED.sub("", tail[-1], count=1)]
        for each in dict.fromkeys(("/".join(tail), "/".join(stripped))):
            for form in ("NFC", "NFD"):
                yield unicodedata.normalize(form, each)


def _is_there(folder: Path, name: str) -> bool:
    # false for a name that no system takes
    return bool(name) and os.path.isfile(folder / name)  # noqa: PTH113
