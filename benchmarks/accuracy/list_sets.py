"""List the sets for the contestants, so that a peer finds the splits without yolokit.

    python benchmarks/accuracy/list_sets.py --root DATA --out runs/accuracy/sets.json

``DATA/NAME`` is anything that ``yolokit train --data`` takes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from existing import existing

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.errors import YolokitError
from yolokit.files import write_text_atomically


def main() -> None:
    """Locate, fingerprint, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--root", type=existing, required=True, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=["bccd", "aquarium", "raccoon"])
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    listed = {name: describe(options.root / name) for name in options.sets}
    write_text_atomically(options.out, json.dumps(listed, indent=1) + "\n")


def describe(data: Path) -> dict[str, Any]:
    """One set: its folder, and each split's absolute paths and fingerprint."""
    splits = locate_splits(data)
    return {
        "data": str(data.resolve()),
        "splits": {
            name: {
                "images": str(split.images.resolve()),
                "annotations": str(split.annotations.resolve()),
                "fingerprint": CocoDataset.load(split).fingerprint,
            }
            for name, split in splits.items()
        },
    }


if __name__ == "__main__":
    try:
        main()
    except YolokitError as wrong:
        sys.exit(f"error: {wrong}")
