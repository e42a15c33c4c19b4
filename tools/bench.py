"""``python tools/bench.py …``: the same as ``yolokit bench …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
