"""``python tools/eval.py …``: the same as ``yolokit eval …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]]))
