"""``python tools/explain.py …``: the same as ``yolokit explain …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["explain", *sys.argv[1:]]))
