"""``python tools/export.py …``: the same as ``yolokit export …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
