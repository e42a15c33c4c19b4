"""``python tools/detect.py …``: the same as ``yolokit detect …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["detect", *sys.argv[1:]]))
