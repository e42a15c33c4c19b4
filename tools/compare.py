"""``python tools/compare.py …``: the same as ``yolokit compare …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
