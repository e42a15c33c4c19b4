"""Labels with random damage: read, or refused in one line; nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from labelled_sets import write_label_studio_set, write_voc_set, write_yolo_set

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.data.read_split import read_split
from yolokit.data.split_faults import split_faults
from yolokit.errors import DataError

JUNK = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"NaN", b"1e999", b"-", b"9" * 30, b"<", b"&x;", b'"', b"["),
    *(b"{", b"\n", b"\r", b"..", b"/", b": ", b"- ", b"true", b"*a", b"C:\\", b"http://", b""),
    *(b"!!python/object:os.system x", "\N{GRINNING FACE}".encode()),
]
WRITERS: dict[str, Callable[[Path], Path]] = {
    "text lines": write_yolo_set,
    "xml": write_voc_set,
    "label studio": lambda folder: write_label_studio_set(folder, "train"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_random_damage_is_one_line_at_most(kind: str, tmp_path: Path) -> None:
    folder = WRITERS[kind](tmp_path)
    files = [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix in (".yaml", ".txt", ".xml", ".json")
    ]
    chance = random.Random(kind)
    for _ in range(40):
        file = chance.choice(files)
        whole = file.read_bytes()
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(damaged) + 1)
            damaged[start : start + chance.choice([0, 1, 5, 30, 1000])] = chance.choice(JUNK)
        file.write_bytes(bytes(damaged))
        try:
            for name, split in locate_splits(folder).items():
                tree = read_split(split)
                split_faults(name, CocoDataset.of(tree, split), max_bad_boxes=0.05)
                tree.require()
        except DataError as error:
            assert "\n" not in str(error)
        file.write_bytes(whole)
