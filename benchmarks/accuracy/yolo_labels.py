"""COCO truth as the folder of pictures and text labels that the YOLO family reads.

Only the standard library. A picture is named by its image id, so that a result finds its way back.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sets import Picture, Truth


def write_yolo_set(truths: dict[str, Truth], folder: Path) -> Path:
    """Write ``images/SPLIT``, ``labels/SPLIT`` and ``data.yaml`` under a new folder.

    The pictures are copied, not linked: a reader that repairs a damaged JPEG in place must not
    reach the originals. A picture without objects gets an empty label file.

    Args:
        truths: the splits by name, ``train`` and ``val`` among them, of one class table.
        folder: does not exist yet.

    Returns:
        The ``data.yaml`` (written as JSON, which YAML reads).
    """
    for split, truth in truths.items():
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for picture in truth.pictures:
            name = picture_name(picture)
            shutil.copyfile(picture.file, images / name)
            text = "".join(f"{line}\n" for line in label_lines(picture))
            (labels / name).with_suffix(".txt").write_text(text, encoding="utf-8")
    description = {
        "path": str(folder.resolve()),
        **{split: f"images/{split}" for split in truths},
        "names": dict(enumerate(truths["train"].class_names)),
    }
    file = folder / "data.yaml"
    file.write_text(json.dumps(description, indent=1), encoding="utf-8")
    return file


def picture_name(picture: Picture) -> str:
    """The file name of a picture: its id, and the suffix that says how to decode it."""
    return f"{picture.image_id:012d}{picture.file.suffix.lower()}"


def image_id_of(name: str) -> int:
    """The image id that ``picture_name`` wrote."""
    return int(Path(name).stem)


def label_lines(picture: Picture) -> list[str]:
    """One ``label cx cy w h`` line per object, as fractions of the picture."""
    lines = []
    for label, left, top, right, bottom in picture.boxes:
        centre = ((left + right) / 2 / picture.width, (top + bottom) / 2 / picture.height)
        size = ((right - left) / picture.width, (bottom - top) / picture.height)
        lines.append(" ".join([str(label), *(f"{value:.8f}" for value in (*centre, *size))]))
    return lines
