"""``python tools/data.py …``: the same as ``yolokit data …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["data", *sys.argv[1:]]))
