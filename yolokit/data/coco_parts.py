"""One COCO file shared out to several: every entry goes as it stands, whatever keys it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from yolokit.data.coco_json import JsonWalk, read_text
from yolokit.data.plain_values import plain_id


def write_parts(
    source: Path, part_of: Mapping[str, str], targets: Mapping[str, Path], *, rest: str
) -> None:
    """Write each picture of a COCO file, and its annotations, into the file of its part.

    All else (categories, licences, what else there is) goes into every part. The file is read a
    few thousand entries at a time.

    Args:
        source: a COCO file that has been read before: it is sound.
        part_of: name of the part of each picture, by its id in writing.
        targets: part -> its file.
        rest: the part of annotations whose picture the file does not list.
    """
    walk = JsonWalk(read_text(source))
    with ExitStack() as stack:
        files = {
            part: stack.enter_context(path.open("w", encoding="utf-8"))
            for part, path in targets.items()
        }
        for place, key in enumerate(walk.members()):
            _write_all(files, ("{" if place == 0 else ", ") + json.dumps(key) + ": ")
            if key in ("images", "annotations") and walk.peek() == "[":
                id_key = "id" if key == "images" else "image_id"
                _share_list(walk.entries(), id_key, part_of, files, rest)
            else:
                _write_all(files, json.dumps(walk.value()))
        _write_all(files, "}\n")


def _share_list(
    chunks: Iterator[list[Any]],
    id_key: str,
    part_of: Mapping[str, str],
    files: Mapping[str, TextIO],
    rest: str,
) -> None:
    _write_all(files, "[")
    between = dict.fromkeys(files, "")
    for entries in chunks:
        for entry in entries:
            found = plain_id(entry.get(id_key)) if isinstance(entry, Mapping) else None
            part = part_of.get(str(found), rest)
            files[part].write(between[part] + json.dumps(entry))
            between[part] = ", "
    _write_all(files, "]")


def _write_all(files: Mapping[str, TextIO], text: str) -> None:
    for file in files.values():
        file.write(text)
