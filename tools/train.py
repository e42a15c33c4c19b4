"""``python tools/train.py …``: the same as ``yolokit train …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
